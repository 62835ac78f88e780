"""The exported DMN is valid by the published XSD and opens in dmn-js, diagram and tables."""

import json
import re
import shutil
import subprocess

import pytest
from lxml import etree

from cds_service.export.dmn import dmn

DMN = "{https://www.omg.org/spec/DMN/20191111/MODEL/}"
DC = "{http://www.omg.org/spec/DMN/20180521/DC/}"
PAGE = """<!doctype html><meta charset="utf-8"><div id="canvas" style="height: 900px"></div>
<script src="file://{script}"></script><script>
const said = warning => warning.message ?? String(warning);
(async () => {{
  const viewer = new DmnJS({{ container: '#canvas' }});
  const {{ warnings }} = await viewer.importXML({xml}, {{ open: false }});
  const told = {{ warnings: warnings.map(said), views: {{}} }};
  for (const view of viewer.getViews()) {{
    told.views[view.element.id] = view.type;
    const {{ warnings }} = await viewer.open(view);
    told.warnings.push(...warnings.map(said));
    if (view.type === 'drd') told.boxes = document.querySelectorAll('.djs-shape').length;
    else told[view.element.id] = [...document.querySelectorAll('.tjs-table tbody tr')].map(row => row.innerText);
  }}
  return told;
}})().catch(error => ({{ error: String(error) }})).then(told => {{
  document.body.innerHTML = '';
  document.body.appendChild(document.createElement('pre')).textContent = encodeURIComponent(JSON.stringify(told));
}});
</script>"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory, dmn_text, node_packages):
    """What dmn-js shows in a browser: its views, boxes and rows."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium to open dmn-js in")
    folder = tmp_path_factory.mktemp("dmn-js")
    page = folder / "page.html"
    script = node_packages / "dmn-js/dist/dmn-viewer.production.min.js"
    page.write_text(PAGE.format(script=script, xml=json.dumps(dmn_text).replace("</", "<\\/")), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    options += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=30000", "--dump-dom"]
    done = subprocess.run([browser, *options, page.as_uri()], capture_output=True, text=True, timeout=120)
    (said,) = re.findall(r"<pre>(.*?)</pre>", done.stdout) or pytest.fail(done.stderr[-2000:])
    from urllib.parse import unquote

    return json.loads(unquote(said))


def test_it_is_valid_by_the_xsd_of_dmn_1_3(dmn_text, node_packages):
    schema = etree.XMLSchema(etree.parse(str(node_packages / "dmn-moddle/resources/dmn/xsd/DMN13.xsd")))
    assert schema.validate(etree.fromstring(dmn_text.encode())), str(schema.error_log)


def test_the_same_content_gives_the_same_bytes(pack, dmn_text):
    assert dmn(pack) == dmn_text


def test_every_reference_leads_to_an_element(dmn_text):
    root = etree.fromstring(dmn_text.encode())
    ids = {element.get("id") for element in root.iter() if element.get("id")}
    referred = [e.get("href").removeprefix("#") for e in root.iter() if e.get("href")]
    referred += [e.get("dmnElementRef") for e in root.iter() if e.get("dmnElementRef")]
    assert referred
    assert [name for name in referred if name not in ids] == []


def test_no_box_of_the_diagram_lies_on_another(dmn_text):
    boxes = [
        tuple(float(bounds.get(side)) for side in ("x", "y", "width", "height"))
        for bounds in etree.fromstring(dmn_text.encode()).iter(f"{DC}Bounds")
    ]
    assert len(boxes) > 20
    for index, (x, y, width, height) in enumerate(boxes):
        for left, top, *_ in boxes[:index]:
            assert abs(left - x) >= width or abs(top - y) >= height


def test_dmn_js_opens_it_without_a_warning_and_draws_every_box(shown, dmn_text):
    assert "error" not in shown, shown
    assert shown["warnings"] == []
    root = etree.fromstring(dmn_text.encode())
    assert shown["boxes"] == len(root.findall(f"{DMN}decision")) + len(root.findall(f"{DMN}inputData"))


def test_dmn_js_shows_every_table_with_its_rules_and_statements(shown, pack):
    for decision in pack.decisions.values():
        assert shown["views"][decision.id] == "decisionTable"
        rows = [row for row in shown[decision.id] if row.strip()]
        assert len(rows) == len(decision.rules)
        for rule, row in zip(decision.rules, rows, strict=True):
            assert f"{rule.id}; {rule.statement}, " in row if rule.statement else rule.id in row
