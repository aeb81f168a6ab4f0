"""Packages made for tests that hold everything that their format can: one of every kind that is read."""

from __future__ import annotations

from collections.abc import Mapping

from fakes.moodle_backup import MOODLE, MOODLE_1
from fakes.package_files import BLACKBOARD, BRIGHTSPACE, CANVAS_CARTRIDGE, PLAIN_CARTRIDGE

__all__ = ["RICH"]

_CANVAS = 'xmlns="http://canvas.instructure.com/xsd/cccv1p0"'
_CC = "http://www.imsglobal.org/xsd/imscc_extensions/assignment"


def _with_resources(entries: Mapping[str, str | bytes], resources: str) -> dict[str, str | bytes]:
    """Add resources to the manifest of a cartridge."""
    made = str(entries["imsmanifest.xml"]).replace("</resources>", f"{resources}</resources>")
    return {**entries, "imsmanifest.xml": made}


_ITEM = (
    '<item ident="i1" title="Green?"><presentation><material><mattext>Green?</mattext></material>'
    '<response_lid ident="r"><render_choice><response_label ident="a"><material><mattext>Yes</mattext></material>'
    "</response_label></render_choice></response_lid></presentation></item>"
)
_QTI = (
    '<questestinterop><assessment ident="q1" title="Quiz"><section ident="s">'
    f"{_ITEM}</section></assessment></questestinterop>"
)

_PLAIN = {
    **_with_resources(
        PLAIN_CARTRIDGE,
        '<resource identifier="q1" type="imsqti_xmlv1p2/imscc_xmlv1p1/assessment"><file href="q1.xml"/></resource>'
        '<resource identifier="a1" type="assignment_xmlv1p0"><file href="a1.xml"/></resource>',
    ),
    "q1.xml": _QTI,
    "a1.xml": f'<assignment identifier="a1" xmlns="{_CC}"><title>Essay</title><text texttype="text/html">Write</text>'
    "</assignment>",
}

_CANVAS_EXPORT = {
    **_with_resources(
        CANVAS_CARTRIDGE,
        '<resource identifier="d1" type="imsdt_xmlv1p1"><file href="d1.xml"/></resource>',
    ),
    "d1.xml": "<topic><title>Talk</title><text>Who likes ferns?</text></topic>",
    "course_settings/learning_outcomes.xml": f'<learningOutcomes {_CANVAS}><learningOutcomeGroup identifier="og">'
    '<title>Skills</title><learningOutcomes><learningOutcome identifier="oc"><title>To observe</title>'
    "<points_possible>5</points_possible><mastery_points>3</mastery_points><ratings><rating>"
    "<description>Good</description><points>5</points></rating></ratings></learningOutcome></learningOutcomes>"
    "</learningOutcomeGroup></learningOutcomes>",
    "course_settings/events.xml": f'<events {_CANVAS}><event identifier="ev"><title>Excursion</title>'
    "<start_at>2024-04-01T08:00:00</start_at><end_at>2024-04-01T12:00:00</end_at></event></events>",
    "course_settings/rubrics.xml": f'<rubrics {_CANVAS}><rubric identifier="ru"><title>Style</title><criteria>'
    "<criterion><criterion_id>c</criterion_id><points>5</points><description>Clear</description></criterion>"
    "</criteria></rubric></rubrics>",
}

_WIKI = (
    '<activity id="990" moduleid="99" modulename="wiki" contextid="199"><wiki id="990"><name>Herbarium</name><subwikis>'
    '<subwiki id="1"><groupid>0</groupid><userid>0</userid><pages><page id="2"><title>Moss</title>'
    "<cachedcontent>&lt;p&gt;Moss grows&lt;/p&gt;</cachedcontent><userid>3</userid>"
    "<timemodified>1700000200</timemodified>"
    '<versions><version id="3"><content>Moss</content><version>1</version><timecreated>1700000100</timecreated>'
    '<userid>3</userid></version><version id="4"><content>Moss grows</content><version>2</version>'
    "<timecreated>1700000200</timecreated><userid>2</userid></version></versions></page></pages></subwiki></subwikis>"
    "</wiki></activity>"
)
_MOODLE: dict[str, str | bytes] = {
    **MOODLE,
    "activities/wiki_99/module.xml": '<module id="99"><modulename>wiki</modulename><sectionid>7</sectionid>'
    "<visible>1</visible></module>",
    "activities/wiki_99/wiki.xml": _WIKI,
    "outcomes.xml": '<outcomes_definition><outcome id="6"><shortname>OBS</shortname><fullname>To observe</fullname>'
    "<description>Looks</description></outcome></outcomes_definition>",
    "badges.xml": '<badges><badge id="8"><name>Diligent</name><description>Did all</description><criteria>'
    '<criterion id="1"><criteriatype>2</criteriatype></criterion></criteria><manual_awards><manual_award id="9">'
    "<badgeid>8</badgeid><recipientid>3</recipientid><issuerid>2</issuerid><datemet>1700000300</datemet>"
    "</manual_award></manual_awards></badge></badges>",
    "course/calendar.xml": '<events><event id="11"><name>Excursion</name><description>Boots</description>'
    "<eventtype>course</eventtype><timestart>1700000000</timestart><timeduration>3600</timeduration></event></events>",
    "grade_history.xml": '<grade_history><grade_grades><grade_grade id="12"><itemid>83</itemid><userid>3</userid>'
    "<loggeduser>2</loggeduser><finalgrade>8.0</finalgrade><source>mod/assign</source>"
    "<timemodified>1699999000</timemodified></grade_grade></grade_grades></grade_history>",
}

_FORUM_1 = (
    "<MOD><ID>7</ID><MODTYPE>forum</MODTYPE><NAME>Talk</NAME><TYPE>general</TYPE><DISCUSSIONS><DISCUSSION><ID>1</ID>"
    "<NAME>Ferns</NAME><FIRSTPOST>1</FIRSTPOST><USERID>3</USERID><TIMEMODIFIED>1200000700</TIMEMODIFIED><POSTS>"
    "<POST><ID>1</ID><PARENT>0</PARENT><USERID>3</USERID><CREATED>1200000600</CREATED><MESSAGE>Who?</MESSAGE></POST>"
    "<POST><ID>2</ID><PARENT>1</PARENT><USERID>3</USERID><CREATED>1200000700</CREATED><MESSAGE>Me</MESSAGE></POST>"
    "</POSTS></DISCUSSION></DISCUSSIONS></MOD>"
)
_QUIZ_1 = (
    "<MOD><ID>8</ID><MODTYPE>quiz</MODTYPE><NAME>Quiz</NAME><ATTEMPTS_NUMBER>0</ATTEMPTS_NUMBER><ATTEMPTS><ATTEMPT>"
    "<ID>4</ID><USERID>3</USERID><ATTEMPTNUM>1</ATTEMPTNUM><SUMGRADES>2.0</SUMGRADES><TIMESTART>1200000800</TIMESTART>"
    "<STATES><STATE><ID>5</ID><ANSWER>Yes</ANSWER></STATE></STATES></ATTEMPT></ATTEMPTS></MOD>"
)
_GRADES_1 = (
    "<GRADE_ITEM><ID>9</ID><ITEMTYPE>course</ITEMTYPE><GRADE_GRADES><GRADE><ID>1</ID><USERID>3</USERID>"
    "<FINALGRADE>77.0</FINALGRADE></GRADE></GRADE_GRADES></GRADE_ITEM>"
)
_CATEGORIES_1 = "<GRADE_CATEGORIES><GRADE_CATEGORY><ID>1</ID></GRADE_CATEGORY></GRADE_CATEGORIES>"
_MOODLE_1: dict[str, str | bytes] = {
    **MOODLE_1,
    "moodle.xml": str(MOODLE_1["moodle.xml"])
    .replace("</MODULES>", f"{_FORUM_1}{_QUIZ_1}</MODULES>")
    .replace("</GRADE_ITEMS>", f"{_GRADES_1}</GRADE_ITEMS>{_CATEGORIES_1}")
    .replace(
        "<QUESTION_CATEGORIES>",
        "<GROUPS><GROUP><ID>1</ID><NAME>Moss</NAME><MEMBERS><MEMBER><USERID>3</USERID></MEMBER></MEMBERS></GROUP>"
        "</GROUPS><EVENTS><EVENT><ID>1</ID><NAME>Excursion</NAME><TIMESTART>1200000000</TIMESTART></EVENT></EVENTS>"
        "<QUESTION_CATEGORIES>",
    ),
}

#: entries of a package by the format that `Coverage.of` names; two formats share one
RICH: Mapping[str, tuple[Mapping[str, str | bytes], ...]] = {
    "Common Cartridge": (_PLAIN,),
    "Canvas export": (_CANVAS_EXPORT,),
    "Moodle backup, 2.0 to 5.x": (_MOODLE,),
    "Moodle backup, 1.9": (_MOODLE_1,),
    "Blackboard, Brightspace": (BLACKBOARD, BRIGHTSPACE),
}
