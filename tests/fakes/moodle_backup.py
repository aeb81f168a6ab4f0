"""A Moodle backup made for tests: small, with people, and with every activity that is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

__all__ = ["ESSAY", "MOODLE", "MOODLE_1"]

NULL = "$@NULL@$"
#: the one file that was submitted
ESSAY = b"An essay on ferns.\n"
_HASH = hashlib.sha1(ESSAY, usedforsecurity=False).hexdigest()


def _activity(name: str, module: int, context: int, content: str, more: str = "") -> dict[str, str]:
    directory = f"activities/{name}_{module}"
    return {
        f"{directory}/module.xml": f'<module id="{module}"><modulename>{name}</modulename><sectionid>7</sectionid>'
        f"<indent>0</indent><visible>1</visible></module>",
        f"{directory}/{name}.xml": f'<activity id="{module}0" moduleid="{module}" modulename="{name}"'
        f' contextid="{context}"><{name} id="{module}0">{content}</{name}></activity>',
        f"{directory}/grades.xml": f"<activity_gradebook><grade_items>{more}</grade_items></activity_gradebook>",
        f"{directory}/inforef.xml": "<inforef><userref><user><id>3</id></user></userref></inforef>",
        f"{directory}/filters.xml": "<filters>\n  <filter_actives>\n</filter_actives></filters>",
    }


def _item(id_: int, sort: str, grades: str) -> str:
    return (
        f'<grade_item id="{id_}"><categoryid>5</categoryid><itemname>Item {id_}</itemname><itemtype>{sort}</itemtype>'
        f"<itemnumber>0</itemnumber><gradetype>1</gradetype><grademax>10.0</grademax>"
        f"<grade_grades>{grades}</grade_grades></grade_item>"
    )


def _grade(id_: int, person: int, final: str) -> str:
    return (
        f'<grade_grade id="{id_}"><userid>{person}</userid><finalgrade>{final}</finalgrade><overridden>0</overridden>'
        f"<feedback>{NULL}</feedback><timemodified>1700000000</timemodified></grade_grade>"
    )


_ASSIGN = """<name>Essay</name><intro>&lt;p&gt;Write.&lt;/p&gt;</intro><duedate>1700000000</duedate>
<cutoffdate>0</cutoffdate><allowsubmissionsfromdate>soon</allowsubmissionsfromdate><grade>10</grade>
<maxattempts>-1</maxattempts><blindmarking>0</blindmarking><userflags></userflags>
<submissions><submission id="18"><userid>3</userid><timecreated>1699990000</timecreated>
<timemodified>1699990001</timemodified><status>submitted</status><groupid>0</groupid>
<attemptnumber>0</attemptnumber><latest>1</latest><subplugin_assignsubmission_onlinetext_submission>
<submission_onlinetext><onlinetext>&lt;p&gt;Mine&lt;/p&gt;</onlinetext><submission>18</submission></submission_onlinetext>
</subplugin_assignsubmission_onlinetext_submission></submission></submissions>
<grades><grade id="15"><userid>3</userid><timemodified>1700000000</timemodified><grader>2</grader>
<grade>8.5</grade><attemptnumber>0</attemptnumber><subplugin_assignfeedback_comments_grade><feedback_comments>
<commenttext>Well done</commenttext></feedback_comments></subplugin_assignfeedback_comments_grade></grade></grades>
<plugin_configs><plugin_config id="1"><plugin>file</plugin><subtype>assignsubmission</subtype><name>enabled</name>
<value>1</value></plugin_config></plugin_configs><overrides></overrides>"""

_GRADING = """<areas><area id="5"><areaname>submissions</areaname><definitions><definition id="6"><name>Rubric</name>
<plugin_gradingform_rubric_definition><criteria><criterion id="1"><description>Style</description><levels>
<level id="2"><score>1</score><definition>Poor</definition></level></levels></criterion></criteria>
</plugin_gradingform_rubric_definition><instances><instance id="9"><raterid>2</raterid><itemid>15</itemid>
</instance></instances></definition></definitions></area></areas>"""

_FORUM = """<type>general</type><name>Talk</name><intro>Hello</intro><discussions><discussion id="4"><name>Ferns</name>
<firstpost>40</firstpost><userid>3</userid><groupid>-1</groupid><timemodified>1700000100</timemodified><pinned>1</pinned>
<posts><post id="40"><parent>0</parent><userid>3</userid><created>1700000000</created><modified>1700000000</modified>
<subject>Ferns</subject><message>Who likes ferns?</message></post><post id="41"><parent>40</parent><userid>2</userid>
<created>1700000050</created><modified>1700000100</modified><message>I do</message></post></posts></discussion>
</discussions><subscriptions><subscription id="1"><userid>3</userid></subscription></subscriptions>"""

_QUIZ = """<name>Quiz</name><intro></intro><timelimit>600</timelimit><attempts_number>0</attempts_number>
<grademethod>1</grademethod><grade>10.0</grade><password>made-up</password><question_instances>
<question_instance id="1"><slot>1</slot><maxmark>1.0</maxmark></question_instance></question_instances>
<attempts><attempt id="70"><userid>3</userid><attemptnum>1</attemptnum><state>finished</state>
<timestart>1700000000</timestart><timefinish>1700000300</timefinish><sumgrades>1.0</sumgrades><question_usage id="8">
<question_attempts><question_attempt id="80"><slot>1</slot><responsesummary>True</responsesummary></question_attempt>
</question_attempts></question_usage></attempt></attempts>"""

_QUESTIONS = """<question_categories><question_category id="95"><name>Leaves</name><question_bank_entries>
<question_bank_entry id="1"><question_version><question_versions id="1"><version>2</version><status>ready</status>
<questions><question id="300"><name>Q</name><questiontext>Green?</questiontext><defaultmark>2.0</defaultmark>
<qtype>truefalse</qtype><plugin><answers><answer id="1"><answertext>True</answertext><fraction>1.0</fraction></answer>
</answers></plugin></question></questions></question_versions></question_version></question_bank_entry>
</question_bank_entries></question_category></question_categories>"""


def _listed() -> str:
    places = [("forum", 91), ("quiz", 92), ("page", 93), ("assign", 94), ("book", 95), ("choice", 96), ("url", 97)]
    each = "".join(
        f"<activity><moduleid>{id_}</moduleid><modulename>{name}</modulename><directory>activities/{name}_{id_}</directory>"
        "</activity>"
        for name, id_ in [*places, ("label", 98)]
    )
    return f"<contents><activities>{each}</activities></contents>"


def _file(id_: int, component: str, area: str, item: int, name: str, digest: str) -> str:
    return (
        f'<file id="{id_}"><contenthash>{digest}</contenthash><contextid>194</contextid>'
        f"<component>{component}</component><filearea>{area}</filearea><itemid>{item}</itemid><filepath>/</filepath><filename>{name}</filename>"
        f"<userid>3</userid><filesize>{len(ESSAY)}</filesize><mimetype>text/plain</mimetype></file>"
    )


#: a backup with people; label_98 is listed but missing
MOODLE: Mapping[str, str | bytes] = {
    ".ARCHIVE_INDEX": "Moodle archive file index. Count: 1\n",
    **_activity("forum", 91, 191, _FORUM),
    **_activity("quiz", 92, 192, _QUIZ, _item(82, "mod", _grade(26, 3, "7.0"))),
    **_activity("page", 93, 193, "<name>Read</name><content>&lt;p&gt;Text&lt;/p&gt;</content>"),
    **_activity("assign", 94, 194, _ASSIGN, _item(83, "mod", _grade(27, 3, "8.5") + _grade(28, 2, NULL))),
    "activities/assign_94/grading.xml": _GRADING,
    "activities/assign_94/completion.xml": '<completions><completion id="14"><userid>3</userid>'
    "<completionstate>1</completionstate><timemodified>1700000000</timemodified></completion></completions>",
    "activities/assign_94/comments.xml": '<comments><comment id="1"><content>Aside</content></comment></comments>',
    **_activity(
        "book",
        95,
        195,
        '<name>Book</name><chapters><chapter id="1"><title>One</title><content>Once</content></chapter></chapters>',
    ),
    **_activity("choice", 96, 196, '<name>Choose</name><answers><answer id="1"><userid>3</userid></answer></answers>'),
    **_activity("url", 97, 197, "<name>Link</name><externalurl>https://example.edu/x</externalurl>"),
    "completion.xml": '<course_completion><course_completions id="1"><userid>3</userid><course>10</course>'
    f"<timecompleted>{NULL}</timecompleted></course_completions></course_completion>",
    "course/course.xml": '<course id="10" contextid="1"><shortname>BOT-1</shortname><fullname>Botany</fullname>'
    "<idnumber>SIS-9</idnumber><startdate>1690000000</startdate><enddate>1701000000</enddate>"
    '<category id="4"><name>Science</name></category></course>',
    "course/enrolments.xml": '<enrolments><enrols><enrol id="16"><enrol>manual</enrol><status>0</status>'
    '<user_enrolments><enrolment id="4"><status>1</status><userid>3</userid><timestart>1690000000</timestart>'
    "<timeend>0</timeend></enrolment></user_enrolments></enrol></enrols></enrolments>",
    "course/roles.xml": '<roles><role_assignments><assignment id="4"><roleid>5</roleid><userid>3</userid></assignment>'
    '<assignment id="5"><roleid>3</roleid><userid>2</userid></assignment></role_assignments></roles>',
    f"files/{_HASH[:2]}/{_HASH}": ESSAY,
    "files.xml": "<files>"
    + _file(500, "assignsubmission_file", "submission_files", 18, ".", "da39a3ee5e6b4b0d3255bfef95601890afd80709")
    + _file(501, "assignsubmission_file", "submission_files", 18, "Essay: größer.txt", _HASH)
    + _file(502, "course", "summary", 0, "gone.txt", "ab" * 20)
    + "</files>",
    "gradebook.xml": '<gradebook><grade_categories><grade_category id="5"><fullname>?</fullname></grade_category>'
    f"</grade_categories><grade_items>{_item(78, 'course', _grade(20, 3, '15.5'))}</grade_items></gradebook>",
    "groups.xml": '<groups><group id="1"><name>Group 1</name><group_members><group_member id="1"><userid>3</userid>'
    "</group_member></group_members></group></groups>",
    "moodle_backup.xml": "<moodle_backup><information><moodle_release>4.4</moodle_release>"
    "<original_course_fullname>Botany</original_course_fullname><original_course_shortname>BOT-1"
    f"</original_course_shortname>{_listed()}<settings><setting><level>root</level><name>users</name><value>1</value>"
    "</setting></settings></information></moodle_backup>",
    "questions.xml": _QUESTIONS,
    "roles.xml": '<roles_definition><role id="5"><shortname>student</shortname><archetype>student</archetype></role>'
    '<role id="3"><shortname>editingteacher</shortname><archetype>editingteacher</archetype></role></roles_definition>',
    "sections/section_7/section.xml": '<section id="7"><number>1</number><name>Week 1</name><sequence>94,91</sequence>'
    "<visible>1</visible></section>",
    "users.xml": '<users><user id="2"><username>teacher</username><firstname>Tea</firstname><lastname>Cher</lastname>'
    '</user><user id="3"><username>learner</username><email>learner@example.edu</email><firstname>Lea</firstname>'
    f"<lastname>Rner</lastname><idnumber>{NULL}</idnumber></user></users>",
}

_MOODLE_1 = """<MOODLE_BACKUP><INFO><NAME>b.zip</NAME><MOODLE_VERSION>2007101591</MOODLE_VERSION></INFO>
<ROLES><ROLE><ID>5</ID></ROLE></ROLES><COURSE><HEADER><ID>2</ID><CATEGORY><ID>1</ID><NAME>Old</NAME></CATEGORY>
<PASSWORD>made-up</PASSWORD><FULLNAME>Old Botany</FULLNAME><SHORTNAME>OLD</SHORTNAME><IDNUMBER></IDNUMBER>
<STARTDATE>1200000000</STARTDATE><ROLES_ASSIGNMENTS><ROLE><ID>5</ID><NAME>Student</NAME><SHORTNAME>student</SHORTNAME>
<ASSIGNMENTS><ASSIGNMENT><USERID>3</USERID><TIMESTART>0</TIMESTART></ASSIGNMENT></ASSIGNMENTS></ROLE>
</ROLES_ASSIGNMENTS></HEADER><SECTIONS><SECTION><ID>1</ID><NUMBER>0</NUMBER><SUMMARY>Start</SUMMARY><VISIBLE>1</VISIBLE>
<MODS><MOD><ID>9</ID><TYPE>assignment</TYPE><INSTANCE>4</INSTANCE><VISIBLE>1</VISIBLE></MOD></MODS></SECTION></SECTIONS>
<USERS><USER><ID>3</ID><USERNAME>old</USERNAME><PASSWORD>made-up</PASSWORD><FIRSTNAME>Ol</FIRSTNAME><LASTNAME>D</LASTNAME>
</USER></USERS><QUESTION_CATEGORIES><QUESTION_CATEGORY><ID>1</ID><NAME>Bank</NAME><QUESTIONS><QUESTION><ID>6</ID>
<NAME>Q</NAME><QUESTIONTEXT>Why?</QUESTIONTEXT><QTYPE>essay</QTYPE></QUESTION></QUESTIONS></QUESTION_CATEGORY>
</QUESTION_CATEGORIES><MODULES><MOD><ID>4</ID><MODTYPE>assignment</MODTYPE><NAME>Report</NAME><GRADE>100</GRADE>
<SUBMISSIONS><SUBMISSION><ID>1</ID><USERID>3</USERID><TIMEMODIFIED>1200000500</TIMEMODIFIED><DATA1>Text</DATA1>
<GRADE>-1</GRADE><SUBMISSIONCOMMENT>Late</SUBMISSIONCOMMENT><TEACHER>0</TEACHER></SUBMISSION></SUBMISSIONS></MOD>
<MOD><ID>5</ID><MODTYPE>resource</MODTYPE><NAME>Page</NAME><TYPE>html</TYPE><ALLTEXT>&lt;b&gt;Hi&lt;/b&gt;</ALLTEXT></MOD>
<MOD><ID>6</ID><MODTYPE>chat</MODTYPE><NAME>Chat</NAME><MESSAGES><MESSAGE><ID>1</ID></MESSAGE></MESSAGES></MOD>
</MODULES><LOGS><LOG><ID>1</ID></LOG><LOG><ID>2</ID></LOG></LOGS><SCALES><SCALE><ID>1</ID></SCALE></SCALES>
<GRADEBOOK><GRADE_OUTCOMES><GRADE_OUTCOME><ID>1</ID></GRADE_OUTCOME></GRADE_OUTCOMES>
<GRADE_ITEMS><GRADE_ITEM><ID>8</ID><ITEMTYPE>manual</ITEMTYPE><ITEMNAME>Oral</ITEMNAME></GRADE_ITEM></GRADE_ITEMS>
<GRADE_GRADES_HISTORIES><GRADE_GRADES_HISTORY><ID>1</ID></GRADE_GRADES_HISTORY></GRADE_GRADES_HISTORIES></GRADEBOOK>
</COURSE></MOODLE_BACKUP>"""

#: a backup of Moodle 1.9
MOODLE_1: Mapping[str, str | bytes] = {
    "moodle.xml": _MOODLE_1,
    "course_files/plan.txt": b"Plan",
    "moddata/assignment/4/3/report.txt": b"Report",
}
