"""A training with several techniques at once: decay, a penalty, clipping, a plateau schedule, early stopping.

    python examples/pipeline.py [DATA] [--target target] [--epochs 200]

Coupled L2 as in torch's Adam(weight_decay=1e-4), plus 0.01 times the sum of squared weights; gradients clipped to
norm 1; the learning rate halves after 3 epochs without a lower validation loss (torch's ReduceLROnPlateau(patience=2));
it ends after 10 such epochs, and the weights of the best one serve. `fit` splits the rows 60 / 20 / 20.
DATA: any table with a column to predict; here 5,404 vowels of openml.org/d/1489 (phoneme), two classes.

It should print: stopped after 32 epochs, the weights of epoch 22 serve, accuracy 0.7993 (about 0.80) on the test part.
"""

import argparse
import sys
from pathlib import Path

import dampen
from dampen import L2, Adam, ClipNorm, EarlyStopping, Recipe, ReduceOnPlateau

VOWELS = Path(__file__).resolve().parents[2] / "shared" / "data" / "tabular" / "phoneme.csv.gz"
RECIPE = Recipe(
    (
        L2(1e-4),  # 1e-4 / 2 * sum w^2: its gradient is 1e-4 * w, what Adam(weight_decay=1e-4) adds
        L2(0.01, convention="full"),  # 0.01 * sum w^2
        ClipNorm(1.0),
        ReduceOnPlateau(factor=0.5, patience_epochs=3),
        EarlyStopping(patience_epochs=10),
    ),
    Adam(lr=0.001),
)

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="?", type=Path, default=VOWELS)
parser.add_argument("--target", default="target", help="the column to predict; default: target")
parser.add_argument("--epochs", type=int, default=200, help="at most; default: 200")
asked = parser.parse_args()
if not asked.data.exists():
    sys.exit(f"The table must lie in {asked.data}; there is nothing.")

print(RECIPE.explain(), "\n")
data = dampen.open_data(asked.data, target=asked.target)
fitted = dampen.fit(dampen.MLP((128, 128)), data, RECIPE, epochs=asked.epochs)
history = fitted.history
for epoch, seen in enumerate(history.epochs, 1):
    if epoch in (1, history.served_epoch, len(history.epochs)) or epoch % 10 == 0:
        losses = f"training loss {seen['train_loss']:.4f}  validation loss {seen['val_loss']:.4f}"
        print(f"epoch {epoch:3}  {losses}  learning rate {seen['lr']:.2g}")
print(f"{history.outcome} after {len(history.epochs)} epochs; the weights of epoch {history.served_epoch} serve:")
print(f"{fitted.settings.metric} on the test part {fitted.test['metric']:.4f}")
