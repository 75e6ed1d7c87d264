"""Real trainings by other libraries, run as `python foreign_trainings.py LIBRARY FOLDER`. Each writes its logs there
and native.json, the numbers of every epoch as the run itself kept them. 200 handwritten digits, a fifth of the labels
drawn anew: all of them overfit."""

import json
import os
import sys
from pathlib import Path

os.environ |= {"KERAS_BACKEND": "torch", "TF_CPP_MIN_LOG_LEVEL": "3", "HF_HUB_OFFLINE": "1"}

import numpy as np
import torch
from sklearn.datasets import load_digits

ROWS, VALIDATION_ROWS, BATCH = 200, 400, 50


def digits():
    """(inputs, labels) of the training part and of the validation part; inputs of shape (N, 64), 0 to 1."""
    inputs, labels = load_digits(return_X_y=True)
    draw = np.random.default_rng(0)
    order = draw.permutation(len(labels))
    inputs, labels = (inputs[order] / 16).astype("float32"), labels[order]
    wrong = draw.choice(ROWS, ROWS // 5, replace=False)
    labels[wrong] = draw.integers(0, 10, len(wrong))
    end = ROWS + VALIDATION_ROWS
    return (inputs[:ROWS], labels[:ROWS]), (inputs[ROWS:end], labels[ROWS:end])


def network():
    return torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))


def train_keras(folder):
    import keras

    native = []

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            named = {"loss": "train_loss", "accuracy": "train_metric", "val_loss": "val_loss"}
            native.append({(named | {"val_accuracy": "val_metric"})[name]: value for name, value in logs.items()})

    training, validation = digits()
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense
    model = keras.Sequential([keras.Input((64,)), dense(128, "relu"), dense(10, "softmax")])
    loss, optimizer = "sparse_categorical_crossentropy", keras.optimizers.Adam(0.01)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    log = keras.callbacks.CSVLogger
    callbacks = [Keep(), log(folder / "comma.csv"), log(folder / "semicolon.log", separator=";")]
    try:
        import tensorflow  # noqa: F401  Keras writes events with it, whatever it computes with

        callbacks.append(keras.callbacks.TensorBoard(folder / "events", write_graph=False))
    except ImportError:
        pass
    appended = log(folder / "appended.csv", append=True)
    options = {"validation_data": validation, "batch_size": BATCH, "verbose": 0}
    first = model.fit(*training, epochs=40, callbacks=[*callbacks, appended], **options)
    (folder / "first.json").write_text(json.dumps(first.history))
    callbacks = [Keep(), log(folder / "appended.csv", append=True)]
    model.fit(*training, initial_epoch=40, epochs=60, callbacks=callbacks, **options)
    return {"first": native[:40], "all": native}


def train_lightning(folder):
    import lightning
    from lightning.pytorch.callbacks import LearningRateMonitor
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    native = []

    class Net(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net, self.kept = network(), {"train": [], "val": []}

        def step(self, batch, part):
            logits = self.net(batch[0])
            loss = torch.nn.functional.cross_entropy(logits, batch[1])
            accuracy = (logits.argmax(1) == batch[1]).float().mean()
            self.log(f"{part}_loss", loss, on_step=part == "train", on_epoch=True)
            self.log(f"{part}_acc", accuracy, on_step=False, on_epoch=True)
            self.kept[part].append((loss.item(), accuracy.item()))
            return loss

        def training_step(self, batch, index):
            return self.step(batch, "train")

        def validation_step(self, batch, index):
            return self.step(batch, "val")

        def on_train_epoch_end(self):
            record = {}
            for part, values in self.kept.items():
                record |= dict(zip((f"{part}_loss", f"{part}_metric"), np.mean(values, 0).tolist(), strict=True))
                values.clear()
            native.append({**record, "lr": 0.01})

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 0.01)

    lightning.seed_everything(0)
    parts = [torch.utils.data.TensorDataset(*map(torch.as_tensor, part)) for part in digits()]
    loaders = [torch.utils.data.DataLoader(part, BATCH, shuffle=part is parts[0]) for part in parts]
    trainer = lightning.Trainer(
        max_epochs=90, log_every_n_steps=3, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, num_sanity_val_steps=0, callbacks=[LearningRateMonitor()],
        logger=[CSVLogger(folder, "csv"), TensorBoardLogger(folder, "events")],
    )  # fmt: skip
    trainer.fit(Net(), *loaders)
    return {"all": native}


def train_transformers(folder):
    import transformers

    training, validation = digits()
    native, losses = [], []

    class Trainer(transformers.Trainer):
        def compute_loss(self, model, inputs, *args, **options):
            loss = super().compute_loss(model, inputs, *args, **options)
            if model.training:
                losses.append((loss[0] if isinstance(loss, tuple) else loss).item())
            return loss

    class Keep(transformers.TrainerCallback):
        def on_evaluate(self, args, state, control, metrics, **rest):
            record = {"train_loss": float(np.mean(losses)), "val_loss": metrics["eval_loss"]}
            native.append({**record, "val_metric": metrics["eval_accuracy"]})
            losses.clear()

    def accuracy(predicted):
        return {"accuracy": float((predicted.predictions.argmax(1) == predicted.label_ids).mean())}

    def rows(part):
        return [{"pixel_values": x.reshape(1, 8, 8), "labels": int(y)} for x, y in zip(*part, strict=True)]

    transformers.set_seed(0)
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, num_labels=10, image_size=8,
        patch_size=2, num_channels=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    arguments = transformers.TrainingArguments(
        output_dir=str(folder / "out"), num_train_epochs=100, per_device_train_batch_size=BATCH, logging_steps=2,
        per_device_eval_batch_size=VALIDATION_ROWS, eval_strategy="epoch", save_strategy="no", learning_rate=0.01,
        report_to=[], use_cpu=True, disable_tqdm=True, lr_scheduler_type="constant",
    )  # fmt: skip
    trainer = Trainer(
        transformers.ViTForImageClassification(config), arguments, train_dataset=rows(training),
        eval_dataset=rows(validation), compute_metrics=accuracy, callbacks=[Keep()],
    )  # fmt: skip
    trainer.train()
    trainer.save_state()
    return {"all": native}


def train_torch(folder):
    from torch.utils.tensorboard import SummaryWriter

    (inputs, labels), validation = ([torch.as_tensor(values) for values in part] for part in digits())
    torch.manual_seed(0)
    net, native = network(), []
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    with SummaryWriter(folder / "slashes") as slashes, SummaryWriter(folder / "together") as together:
        for epoch in range(40):
            losses = []
            for rows in torch.randperm(ROWS).split(BATCH):
                loss = torch.nn.functional.cross_entropy(net(inputs[rows]), labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            with torch.no_grad():
                logits = net(validation[0])
            record = {
                "train_loss": float(np.mean(losses)),
                "val_loss": torch.nn.functional.cross_entropy(logits, validation[1]).item(),
                "val_metric": (logits.argmax(1) == validation[1]).float().mean().item(),
            }
            slashes.add_scalar("Loss/train", record["train_loss"], epoch)
            slashes.add_scalar("Loss/val", record["val_loss"], epoch)
            slashes.add_scalar("Accuracy/val", record["val_metric"], epoch)
            together.add_scalars("loss", {"train": record["train_loss"], "validation": record["val_loss"]}, epoch)
            native.append(record)
    return {"all": native}


if __name__ == "__main__":
    torch.set_num_threads(1)
    place = Path(sys.argv[2])
    (place / "native.json").write_text(json.dumps(globals()[f"train_{sys.argv[1]}"](place)))
