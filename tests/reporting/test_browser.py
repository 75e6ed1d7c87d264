"""The page in a browser, from disk: no network, no scripts, narrow and wide, light and dark, on paper."""

import shutil
from pathlib import Path

import pytest
from figure_records import NASTY
from report_records import GAIN, HARM, NOTHING, compared, searched

import dampen

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
pytestmark = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no chromium")

WIDTHS = (1280, 390)
A4_HEIGHT = (297 - 2 * 13) / 25.4 * 96
"""Pixels between the margins of a page."""
A4_WIDTH = round((210 - 2 * 15) / 25.4 * 96)
LONG = "Dropout(rate=0.3) + LabelSmoothing(epsilon=0.2) + EMA + " + 120 * "w"
NAMES = ("LabelSmoothing", LONG, *NASTY[:3], NASTY[-1])
LAYERS = f"L2(layers=('{40 * 'body.'}',))"
MANY = {name: ("Dropout + EMA", about, 1.3) for name, about in zip(NAMES, 3 * (GAIN, NOTHING), strict=True)}
PAIRS = [f"Dropout(rate=0.{i}) + EMA" for i in range(1, 10)]
FULL = {name: (name, (GAIN, NOTHING, HARM)[i % 3], 1.0 + i) for i, name in enumerate(PAIRS)}
ANSWERS = {
    "comparison": compared({"L2": (LAYERS, GAIN, 1.5), "L1": ("L1", HARM, 1.1)}, examples=["L1"]),
    "search": searched(),
    "full": compared(FULL, 7, histories=False, notes=["A note on the data."], duplicates="3 test rows stand twice."),
    "names": compared(
        MANY, histories=False, notes=[LONG], duplicates="3 test rows stand in the training part.", data=LONG
    ),
}
OUTSIDE = """() => {
  const width = document.documentElement.clientWidth, found = [];
  for (const one of document.body.querySelectorAll("*")) {
    if (one.parentElement.closest(".wide")) continue;
    const box = one.getBoundingClientRect();
    if (box.width && (box.left < -0.5 || box.right > width + 0.5)) found.push(one.outerHTML.slice(0, 80));
  }
  return found;
}"""
"""Whatever reaches out of the window, but for what scrolls in a region of its own."""
OVERLAPPING = """() => {
  const boxes = [];
  for (const one of document.body.querySelectorAll("h1,h2,h3,p,li,dt,dd,caption,figcaption,td,th,summary,img,pre")) {
    if (one.querySelector("p,li,dt,dd,td,th,img,pre")) continue;
    const range = document.createRange();
    range.selectNodeContents(one);
    for (const box of one.tagName === "IMG" ? [one.getBoundingClientRect()] : range.getClientRects())
      if (box.width > 1 && box.height > 1) boxes.push([box, one]);
  }
  const found = [];
  boxes.sort((a, b) => a[0].top - b[0].top);
  for (let i = 0; i < boxes.length; i++)
    for (let j = i + 1; j < boxes.length && boxes[j][0].top < boxes[i][0].bottom - 2; j++) {
      const [a, one] = boxes[i], [b, other] = boxes[j];
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (one !== other && across > 1 && down > 4)
        found.push(one.outerHTML.slice(0, 60) + other.outerHTML.slice(0, 60));
    }
  return found;
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module", params=ANSWERS)
def page_file(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    dampen.report(ANSWERS[request.param], path, notes="A note.")
    return path


class Visit:
    """A page that is open, and what it asked for."""

    def __init__(self, browser, path, width=1280, **options):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        self.requests, self.dialogs, self.told = [], [], []
        self.context.route("**/*", self._route)
        self.context.set_offline(True)
        self.page = self.context.new_page()
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.on("console", lambda message: self.told.append(message.text))
        self.page.on("pageerror", lambda error: self.told.append(str(error)))
        self.page.goto(path.as_uri())

    def _route(self, route):
        self.requests.append(route.request.url)
        route.continue_() if route.request.url.startswith(("file:", "data:")) else route.abort()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_it_opens_without_network_and_scripts(browser, page_file, width):
    with Visit(browser, page_file, width, java_script_enabled=False) as visit:
        text = visit.page.inner_text("body")
        loaded = visit.page.locator("img").count()

    assert "What we do not know" in text
    assert "A note." in text
    assert loaded >= 1
    assert [url for url in visit.requests if not url.startswith("data:")] == [page_file.as_uri()]
    assert visit.dialogs == []


def test_it_asks_for_nothing_and_does_nothing(browser, page_file):
    with Visit(browser, page_file) as visit:
        visit.page.wait_for_load_state("networkidle")
        broken = visit.page.evaluate("[...document.images].filter(one => !one.naturalWidth).length")
        scripts = visit.page.evaluate("[...document.scripts].map(one => one.type)")

    assert broken == 0
    assert scripts == ["application/json"]
    assert [url for url in visit.requests if not url.startswith("data:")] == [page_file.as_uri()]
    assert visit.dialogs == []
    assert visit.told == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows_or_overlaps(browser, page_file, width):
    with Visit(browser, page_file, width) as visit:
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.page.evaluate(OUTSIDE) == []
        assert visit.page.evaluate(OVERLAPPING) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious(browser, page_file, scheme, width):
    source = Path(axe.__file__).with_name("axe.min.js").read_text("utf-8")
    with Visit(browser, page_file, width, color_scheme=scheme, bypass_csp=True) as visit:
        visit.page.evaluate(source)
        found = visit.page.evaluate("axe.run()")
        ground = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")

    grave = [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found["violations"]
             if one["impact"] in ("serious", "critical")]  # fmt: skip
    assert grave == []
    assert "color-contrast" in {one["id"] for one in found["passes"]}
    assert ground == {"light": "rgb(252, 252, 250)", "dark": "rgb(23, 25, 27)"}[scheme]


def test_it_prints_without_cuts(browser, page_file):
    with Visit(browser, page_file, A4_WIDTH) as visit:
        visit.page.emulate_media(media="print")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= A4_WIDTH
        cut = visit.page.evaluate(
            "[...document.querySelectorAll('.wide')].filter(one => one.scrollWidth > one.clientWidth + 1)"
            ".map(one => one.innerHTML.slice(0, 90))"
        )
        tall = visit.page.evaluate(
            "height => [...document.querySelectorAll('figure')].filter(one => one.offsetHeight > height).length",
            A4_HEIGHT,
        )
        printed = visit.page.pdf(prefer_css_page_size=True)

    assert cut == []
    assert tall == 0
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") >= 2


def test_the_plain_part_is_one_printed_page(browser, page_file):
    if "www" in page_file.read_text("utf-8"):
        pytest.skip("names of 180 letters may take their room")
    with Visit(browser, page_file, A4_WIDTH) as visit:
        visit.page.emulate_media(media="print")
        assert visit.page.evaluate("document.querySelector('#technical').getBoundingClientRect().top") <= A4_HEIGHT
