"""What a reader sees: pages measured in a browser, at the width of a screen and of a phone.

The pages have no script of their own. They are put into frames of a page that has one, which
measures them and leaves what it found as JSON; copies are loaded by themselves for the console and
for print.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess

import pytest
from explanation_cases import make_explanation, make_hostile_explanation
from report_cases import make_comparison, make_full_report, make_plain_report

from speakergmm.evaluation.report import render_comparison, render_explanation, render_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--enable-logging=stderr", "--v=0",
)  # fmt: skip
SCHEMES = {"light": "--blink-settings=preferredColorScheme=1",
           "dark": "--blink-settings=preferredColorScheme=0"}  # fmt: skip
WIDTHS = (1400, 400, 320)
PAGES = ("full", "uncalibrated", "separated", "many", "comparison", "accepted", "rejected")
CASES = [(page, scheme, width) for page in PAGES for scheme in SCHEMES for width in WIDTHS]

# Pixels that rounding and the slant of letters may take.
SLACK = 2
# Web Content Accessibility Guidelines 2.2, 1.4.3 (level AA).
CONTRAST = 4.5
EVERY = {"det", "histogram", "tippett", "cost", "speakers"}
PICTURES = {
    "full": {
        *EVERY, "reliability", "entropy", "training", "by-language", "by-sex",
        "by-a----script-alert-1---script", "by-seconds-of-speech-in-the-enrollment",
    },
    "uncalibrated": EVERY,
    "separated": EVERY,
    "many": EVERY | {"reliability", "entropy"},
    "comparison": {"det"},
    "accepted": {"evidence", "components"},
    "rejected": {"evidence", "components"},
}  # fmt: skip

MEASURE = r"""
const color = (text) => {
  const n = text.match(/[\d.]+/g).map(Number);
  return n.length > 3 ? n : [...n, 1];
};
const over = (top, below) => top.slice(0, 3)
  .map((c, i) => c * top[3] + below[i] * (1 - top[3])).concat([1]);
const luminance = (c) => {
  const [r, g, b] = c.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};
function textContrasts(view) {
  const worst = {};
  const walker = view.document.createTreeWalker(view.document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const said = walker.currentNode.data.trim();
    const element = walker.currentNode.parentElement;
    if (!said || !element.getClientRects().length) continue;
    const behind = [];
    for (let e = element; e; e = e.parentElement) {
      behind.push(color(view.getComputedStyle(e).backgroundColor));
      if (behind.at(-1)[3] === 1) break;
    }
    const ground = behind.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
    const style = view.getComputedStyle(element);
    const ink = color(element.closest('svg') ? style.fill : style.color);
    const ratio = contrast(over(ink, ground), ground);
    const where = element.closest('figcaption,figure,pre,table,nav,p,summary,h1,h2,body');
    const key = where.tagName.toLowerCase() + '.' + where.className;
    if (!(key in worst) || ratio < worst[key][0]) worst[key] = [ratio, said.slice(0, 40)];
  }
  return worst;
}
function cutTexts(svg) {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].map((text) => {
    const r = text.getBoundingClientRect();
    const out = Math.max(box.left - r.left, r.right - box.right, box.top - r.top,
      r.bottom - box.bottom);
    return [text.textContent.trim().slice(0, 60), Math.round(out * 10) / 10];
  });
}
function measured(view) {
  const page = view.document;
  for (const folded of page.querySelectorAll('details')) folded.open = true;
  const root = page.documentElement;
  const beyond = [...page.body.querySelectorAll('*')].filter((e) =>
    !e.closest('.wide,svg') && e.getBoundingClientRect().right > root.clientWidth + 1);
  const ids = [...page.querySelectorAll('[id]')].map((e) => e.id);
  const alike = (e) => `${e.tagName} ${e.className} ${e.textContent.trim().slice(0, 40)}`;
  return {
    isDark: view.matchMedia('(prefers-color-scheme: dark)').matches,
    paper: view.getComputedStyle(page.body).backgroundColor,
    width: view.innerWidth, clientWidth: root.clientWidth, scrollWidth: root.scrollWidth,
    beyond: beyond.map(alike),
    svgs: [...page.querySelectorAll('svg')].map((svg) => ({
      id: svg.id, label: svg.getAttribute('aria-label'),
      size: [svg.getBoundingClientRect().width, svg.getBoundingClientRect().height],
      texts: cutTexts(svg),
    })),
    contrasts: textContrasts(view),
    headings: [...page.querySelectorAll('h1,h2,h3,h4,h5,h6')].map((h) => Number(h.tagName[1])),
    headerless: [...page.querySelectorAll('table')].filter((t) =>
      !t.tHead || [...t.tHead.rows].some((row) => [...row.cells].some((c) => c.tagName !== 'TH' ||
      c.scope !== 'col')) || t.tHead.rows[0].cells.length !== t.tBodies[0].rows[0].cells.length,
      ).map(alike),
    nTables: page.querySelectorAll('table').length,
    anchors: [...page.querySelectorAll('nav a')].map((a) => a.getAttribute('href')),
    sections: [...page.querySelectorAll('section > h2')].map((h) => h.id),
    unresolved: [...page.querySelectorAll('[href^="#"]')].map((e) => e.getAttribute('href'))
      .filter((href) => !page.getElementById(href.slice(1))),
    repeated: ids.filter((id, i) => ids.indexOf(id) !== i),
    lang: root.lang, title: page.title,
    scripts: page.scripts.length,
    fetched: view.performance.getEntriesByType('resource').map((entry) => entry.name),
  };
}
addEventListener('load', () => {
  const frames = [...document.querySelectorAll('iframe')];
  const found = Object.fromEntries(frames.map((f) => [f.name, measured(f.contentWindow)]));
  const out = document.createElement('pre');
  out.id = 'measured';
  out.textContent = JSON.stringify({found, refused});
  document.body.replaceChildren(out);
});
"""

# Frames inherit the policy: whatever else a page would load is refused, and said.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
HARNESS = """<!DOCTYPE html>
<html style="color-scheme: light dark"><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<script>
const refused = [];
addEventListener('securitypolicyviolation', (event) => refused.push(event.blockedURI));
{script}
</script>
<body>{frames}</body></html>
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Start Chromium without a window; give what it wrote and what pages said to its console."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        missing = f"needs a browser: one of {', '.join(BROWSERS)}"
        if os.environ.get("CI"):
            pytest.fail(f"{missing}; where CI is set, pages must be looked at")
        pytest.skip(missing)
    profile = tmp_path_factory.mktemp("profile")

    def start(*words):
        command = [program, *FLAGS, f"--user-data-dir={profile}", *map(str, words)]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        said = done.stderr.decode("utf-8", errors="replace")
        assert done.returncode == 0, said
        console = [line for line in said.splitlines() if ":CONSOLE" in line]
        return done.stdout.decode("utf-8"), console

    return start


@pytest.fixture(scope="module")
def pages():
    """The text of each page."""
    return {
        "full": render_report(make_full_report()),
        "uncalibrated": render_report(make_plain_report(calibrated=False)),
        "separated": render_report(make_plain_report(calibrated=False, distance=20)),
        "many": render_report(make_plain_report(n_speakers=60, distance=4)),
        "comparison": render_comparison(make_comparison()),
        "accepted": render_explanation(make_explanation()),
        "rejected": render_explanation(make_hostile_explanation()),
    }


@pytest.fixture(scope="module")
def measured(browser, pages, tmp_path_factory):
    """What was measured of each page, by color scheme and width."""
    frames = "".join(
        f'<iframe name="{page} {width}" width="{width}" height="800" style="border: 0" '
        f'srcdoc="{html.escape(text)}"></iframe>'
        for page, text in pages.items()
        for width in WIDTHS
    )
    path = tmp_path_factory.mktemp("harness") / "harness.html"
    path.write_text(HARNESS.format(policy=POLICY, script=MEASURE, frames=frames), encoding="utf-8")
    found = {}
    for scheme, flag in SCHEMES.items():
        dom, console = browser(flag, "--virtual-time-budget=10000", "--dump-dom", path.as_uri())
        written = re.search(r'<pre id="measured">(.*?)</pre>', dom, re.DOTALL)
        assert written, (console, dom[:2000])
        answer = json.loads(html.unescape(written[1]))
        assert answer["refused"] == []
        assert console == []
        for name, values in answer["found"].items():
            page, width = name.split()
            found[page, scheme, int(width)] = values
    return found


def name_of(svg):
    """Name a picture, whatever its ids begin with to be like no other."""
    return svg["id"].removeprefix("picture-")


@pytest.fixture(params=CASES, ids=lambda case: "-".join(map(str, case)))
def case(request, measured):
    """One page under one scheme at one width: its name, and what was measured."""
    return request.param, measured[request.param]


def test_the_page_is_seen_as_asked_for(case):
    (_, scheme, width), found = case
    assert found["isDark"] == (scheme == "dark")
    assert found["paper"] == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 28)"}[scheme]
    assert found["width"] == found["clientWidth"] == width


def test_nothing_reaches_beyond_the_page(case):
    _, found = case
    assert found["beyond"] == []
    assert found["scrollWidth"] <= found["clientWidth"]


def test_every_picture_is_there_and_described(case):
    (page, _, width), found = case
    assert {name_of(svg) for svg in found["svgs"]} == PICTURES[page]
    for svg in found["svgs"]:
        # In their frame as wide as the page, with text that can still be read.
        assert svg["size"][0] > min(0.8 * width, 400), svg["id"]
        assert svg["size"][1] > 0.2 * svg["size"][0], svg["id"]
        assert svg["texts"], svg["id"]
        assert svg["label"].endswith("."), svg["id"]


def test_no_text_of_a_picture_is_cut_off(case):
    _, found = case
    cut = [
        (svg["id"], text, beyond)
        for svg in found["svgs"]
        for text, beyond in svg["texts"]
        if beyond > SLACK
    ]
    assert cut == []


def test_all_text_stands_out_from_its_ground(case):
    _, found = case
    assert len(found["contrasts"]) > 5
    faint = {where: seen for where, seen in found["contrasts"].items() if seen[0] < CONTRAST}
    assert faint == {}


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_in_order(measured, page):
    found = measured[page, "light", 400]
    assert found["headings"][:2] == [1, 2]
    steps = zip(found["headings"], found["headings"][1:], strict=False)
    assert all(1 < after <= before + 1 for before, after in steps)
    assert found["nTables"] > 0
    assert found["headerless"] == []
    assert found["anchors"] == [f"#{section}" for section in found["sections"]]
    assert found["unresolved"] == []
    assert found["repeated"] == []
    assert (found["lang"], found["scripts"], found["fetched"]) == ("en", 0, [])
    assert found["title"]


@pytest.mark.parametrize("page", PAGES)
def test_the_page_alone_is_silent_and_prints(browser, pages, tmp_path, page):
    path, print_out = tmp_path / "page.html", tmp_path / "page.pdf"
    path.write_text(pages[page], encoding="utf-8")
    _, console = browser(f"--print-to-pdf={print_out}", "--no-pdf-header-footer", path.as_uri())
    assert console == []
    content = print_out.read_bytes()
    assert content.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) > 1


def test_the_measure_finds_what_is_wrong(browser, tmp_path):
    """A page with every fault: that none is found elsewhere means something."""
    bad = """<!DOCTYPE html><html><body style="background: #fff"><h1>x</h1><h3>y</h3>
    <p id="a" style="color: #999; width: 900px">faint <a id="a" href="#nowhere">x</a></p>
    <img src="https://example.invalid/x.png"><table><tbody><tr><td>1</td></tr></tbody></table>
    <svg viewBox="0 0 10 10" width="50"><text x="9" y="9">beyond</text></svg></body></html>"""
    frame = f'<iframe name="bad 400" width="400" srcdoc="{html.escape(bad)}"></iframe>'
    path = tmp_path / "harness.html"
    path.write_text(HARNESS.format(policy=POLICY, script=MEASURE, frames=frame), encoding="utf-8")
    dom, console = browser("--virtual-time-budget=10000", "--dump-dom", path.as_uri())
    answer = json.loads(
        html.unescape(re.search(r'<pre id="measured">(.*?)</pre>', dom, re.DOTALL)[1])
    )
    found = answer["found"]["bad 400"]
    assert console
    assert found["scrollWidth"] > found["clientWidth"]
    assert found["contrasts"]["p."][0] == pytest.approx(2.85, abs=0.01)
    assert found["svgs"][0]["texts"][0][1] > SLACK
    assert found["unresolved"] == ["#nowhere"]
    assert found["repeated"] == ["a"]
    assert len(found["headerless"]) == 1
    assert found["headings"] == [1, 3]
