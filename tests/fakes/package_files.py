"""Course packages made for tests: small, whole, and of every format."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["CANVAS_CARTRIDGE", "PLAIN_CARTRIDGE", "make_mbz", "make_zip", "manifest"]

_CC = "http://www.imsglobal.org/xsd/imsccv1p1/imscp_v1p1"
_CANVAS = 'xmlns="http://canvas.instructure.com/xsd/cccv1p0"'


def make_zip(path: Path, entries: Mapping[str, str | bytes]) -> Path:
    """Write a zip file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in entries.items():
            target.writestr(name, content)
    return path


def make_mbz(path: Path, entries: Mapping[str, str | bytes]) -> Path:
    """Write a gzipped tar file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as target:
        for name, content in entries.items():
            data = content.encode() if isinstance(content, str) else content
            about = tarfile.TarInfo(name)
            about.size = len(data)
            target.addfile(about, io.BytesIO(data))
    path.write_bytes(gzip.compress(raw.getvalue(), mtime=0))
    return path


def manifest(resources: str, items: str = "", title: str = "Botany", schema: str = "IMS Common Cartridge") -> str:
    """Return the manifest of a cartridge."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<manifest identifier="m" xmlns="{_CC}" xmlns:lom="http://ltsc.ieee.org/xsd/imsccv1p1/LOM/manifest">
  <metadata><schema>{schema}</schema><schemaversion>1.1.0</schemaversion>
    <lom:lom><lom:general><lom:title><lom:string>{title}</lom:string></lom:title></lom:general></lom:lom></metadata>
  <organizations><organization identifier="o" structure="rooted-hierarchy">
    <item identifier="root">{items}</item></organization></organizations>
  <resources>{resources}</resources>
</manifest>"""


#: a cartridge of no particular LMS: two pages, a picture, a link, a tool, a topic, a file that is not there
PLAIN_CARTRIDGE: Mapping[str, str | bytes] = {
    "imsmanifest.xml": manifest(
        '<resource identifier="p1" type="webcontent" href="one.html"><file href="one.html"/></resource>'
        '<resource identifier="p2" type="webcontent" href="a%20b.htm"><file href="a%20b.htm"/></resource>'
        '<resource identifier="f1" type="webcontent" href="img/x.png"><file href="img/x.png"/></resource>'
        '<resource identifier="f2" type="webcontent" href="gone.pdf"><file href="gone.pdf"/></resource>'
        '<resource identifier="w1" type="imswl_xmlv1p1"><file href="w1.xml"/></resource>'
        '<resource identifier="t1" type="imsbasiclti_xmlv1p0"><file href="t1.xml"/></resource>'
        '<resource identifier="d1" type="imsdt_xmlv1p1"><file href="d1.xml"/></resource>',
        '<item identifier="i1"><title>Week 1</title>'
        '<item identifier="i2" identifierref="p1"><title>One</title></item>'
        '<item identifier="i3" identifierref="w1"><title>Leaves</title></item>'
        '<item identifier="i4"><title>Read this first</title></item></item>',
    ),
    "one.html": "<html><head><title>One &amp; only</title></head><body><p>Größe</p></body></html>",
    "a b.htm": "<html><body>Two</body></html>",
    "img/x.png": b"\x89PNG made up",
    "w1.xml": '<webLink><title>Leaves</title><url href="https://example.edu/leaves"/></webLink>',
    "t1.xml": "<cartridge_basiclti_link><title>Lab</title><launch_url>https://lab.example.edu/</launch_url>"
    "</cartridge_basiclti_link>",
    "d1.xml": '<topic><title>Say hello</title><text texttype="text/html">&lt;p&gt;Hello&lt;/p&gt;</text>'
    '<attachments><attachment href="img/x.png"/></attachments></topic>',
    "notes.txt": "nobody lists me",
}

_QTI = """<questestinterop><assessment ident="q1" title="Quiz"><section ident="root_section">
<item ident="n1" title="First"><itemmetadata><qtimetadata>
<qtimetadatafield><fieldlabel>question_type</fieldlabel><fieldentry>true_false_question</fieldentry></qtimetadatafield>
<qtimetadatafield><fieldlabel>points_possible</fieldlabel><fieldentry>2.0</fieldentry></qtimetadatafield>
</qtimetadata></itemmetadata><presentation><material><mattext texttype="text/html">&lt;p&gt;True?&lt;/p&gt;</mattext>
</material><response_lid ident="r"><render_choice><response_label ident="1"><material><mattext>True</mattext></material>
</response_label><response_label ident="2"><material><mattext>False</mattext></material></response_label>
</render_choice></response_lid></presentation></item></section></assessment></questestinterop>"""

#: what Canvas writes, in small
CANVAS_CARTRIDGE: Mapping[str, str | bytes] = {
    "imsmanifest.xml": manifest(
        '<resource identifier="g1" type="webcontent" href="wiki_content/ferns.html">'
        '<file href="wiki_content/ferns.html"/></resource>'
        '<resource identifier="q1" type="imsqti_xmlv1p2/imscc_xmlv1p1/assessment"><file href="q1/assessment_qti.xml"/>'
        '<dependency identifierref="q1m"/></resource>'
        '<resource identifier="q1m" type="associatedcontent/imscc_xmlv1p1/learning-application-resource"'
        ' href="q1/assessment_meta.xml"><file href="q1/assessment_meta.xml"/>'
        '<file href="non_cc_assessments/q1.xml.qti"/></resource>'
        '<resource identifier="a1" type="associatedcontent/imscc_xmlv1p1/learning-application-resource"'
        ' href="a1/essay.html"><file href="a1/essay.html"/><file href="a1/assignment_settings.xml"/></resource>',
        '<item identifier="mod"><title>Week 1</title>'
        '<item identifier="it" identifierref="g1"><title>Ferns</title></item></item>',
    ),
    "course_settings/canvas_export.txt": "",
    "course_settings/course_settings.xml": f"<course {_CANVAS}><title>Botany of 2024</title>"
    "<course_code>BOT-1</course_code><start_at>2024-01-10T00:00:00</start_at>"
    "<conclude_at>2024-06-01T00:00:00</conclude_at></course>",
    "course_settings/assignment_groups.xml": f'<assignmentGroups {_CANVAS}><assignmentGroup identifier="ag">'
    "<title>Work</title><position>1</position><group_weight>40.0</group_weight></assignmentGroup></assignmentGroups>",
    "course_settings/module_meta.xml": f'<modules {_CANVAS}><module identifier="mod"><title>Week 1</title>'
    '<workflow_state>active</workflow_state><items><item identifier="it"><workflow_state>unpublished</workflow_state>'
    "<indent>1</indent></item></items></module></modules>",
    "course_settings/syllabus.html": "<html><body><p>Read.</p></body></html>",
    "wiki_content/ferns.html": '<html><head><title>Ferns</title><meta name="identifier" content="g1"/>'
    '<meta name="workflow_state" content="unpublished"/></head><body>\n<p>Old</p>\n</body></html>',
    "q1/assessment_qti.xml": "<questestinterop/>",
    "non_cc_assessments/q1.xml.qti": _QTI,
    "non_cc_assessments/b1.xml.qti": _QTI.replace("assessment", "objectbank"),
    "q1/assessment_meta.xml": f'<quiz identifier="q1" {_CANVAS}><title>Quiz on ferns</title>'
    "<quiz_type>assignment</quiz_type><time_limit>30</time_limit><allowed_attempts>-1</allowed_attempts>"
    '<assignment identifier="qa"><title>Quiz on ferns</title><due_at>2024-02-30T00:00:00</due_at></assignment></quiz>',
    "a1/assignment_settings.xml": f'<assignment identifier="a1" {_CANVAS}><title>Essay</title>'
    "<due_at>2024-03-01T12:00:00</due_at><points_possible>10</points_possible>"
    "<submission_types>online_upload,online_text_entry</submission_types></assignment>",
    "a1/essay.html": "<html><body><p>Write.</p></body></html>",
    "web_resources/leaf.jpg": b"made-up picture",
}
