"""A small OneRoster district, written as CSV files, for the tests of the connector `oneroster`."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["district", "lines", "write_folder", "write_zip"]

Table = Sequence[Sequence[str]]

#: what a file begins with
_BASE = "sourcedId,status,dateLastModified"

_KNOWN = (
    *("academicSessions", "categories", "classes", "classResources", "courses", "courseResources", "demographics"),
    *("enrollments", "lineItems", "orgs", "resources", "results", "scoreScales", "users", "roles"),
)


def district(version: str = "1.2") -> dict[str, list[str]]:
    """Return the lines of each file: an ended class, a running one, one to be deleted; grades in the first."""
    session = "academicSession" if version == "1.2" else "gradingPeriod"
    tables = {
        "academicSessions": [
            f"{_BASE},title,type,startDate,endDate,parentSourcedId,schoolYear",
            "y24,,,2024,schoolYear,2023-09-01,2024-07-31,,2024",
            "t24,,,Spring,term,2024-02-01,2024-06-30,y24,2024",
            "t99,,,Far,term,2098-02-01,2099-06-30,,2099",
            "gone,tobedeleted,2024-01-01T00:00:00Z,Old,term,never,,,2001",
        ],
        "orgs": [
            f"{_BASE},name,type,identifier,parentSourcedId",
            "dist,,,District,district,D,",
            "sch/1,,,North School,school,N,dist",
        ],
        "courses": [
            f"{_BASE},schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes",
            'crs,,,y24,Physics,PH,"9,10",sch/1,,',
        ],
        "classes": [
            f"{_BASE},title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,metadata.room",
            "c/1 ä,,,Physics 1,,crs,PH-1,scheduled,,sch/1,t24,R2",
            'c2,,,Chemistry,,crs,CH-1,scheduled,,sch/1,"t24, t99",',
            "c3,tobedeleted,2024-05-01T00:00:00Z,Art,,crs,AR-1,homeroom,,sch/1,t99,",
        ],
        "users": _users(version),
        "enrollments": [
            f"{_BASE},classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate",
            "e1,,,c/1 ä,sch/1,u1,teacher,true,2024-02-01,2024-06-30",
            "e2,,,c/1 ä,sch/1,u2,student,,2024-02-01,",
            "e3,tobedeleted,2024-03-01T10:00:00Z,c/1 ä,sch/1,u3,student,,2024-02-01,2024-03-01",
            "e4,,,c2,sch/1,u2,student,,,",
            "e5,,,c/1 ä,sch/1,u9,proctor,,,",
        ],
        "categories": [f"{_BASE},title,weight", "cat,,,Homework,40"],
        "lineItems": [
            (
                f"{_BASE},title,description,assignDate,dueDate,classSourcedId,categorySourcedId,{session}SourcedId,"
                "resultValueMin,resultValueMax,schoolSourcedId"
            ),
            "l1,,,Sheet 1,a < b,2024-02-05,2024-02-12,c/1 ä,cat,t24,0,10,sch/1",
            "l2,,,Sheet 2,,2024-02-12,2024-02-19,c/1 ä,,t24,0,10,sch/1",
            "l3,,,Other,,2024-02-12,2024-02-19,c2,,t24,0,10,sch/1",
        ],
        "results": _results(version),
        "demographics": [f"{_BASE},birthDate,sex", "u2,,,2009-01-02,female"],
    }
    if version == "1.2":
        tables["roles"] = [
            f"{_BASE},userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId",
            "r1,,,u1,primary,teacher,,,sch/1,",
        ]
        tables["scoreScales"] = [
            f"{_BASE},title,type,orgSourcedId,courseSourcedId,classSourcedId,scoreScaleValue",
            'sc1,,,Letters,letter,sch/1,crs,c/1 ä,"{90-100,A}"',
        ]
    return {**tables, "manifest": _manifest(version, tables)}


def _manifest(version: str, tables: Mapping[str, object]) -> list[str]:
    said = [f"file.{name},{'bulk' if name in tables else 'absent'}" for name in _KNOWN]
    return ["propertyName,value", "manifest.version,1.0", f"oneroster.version,{version}", *said]


def _users(version: str) -> list[str]:
    if version == "1.1":
        return [
            (
                f"{_BASE},enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,"
                "sms,phone,agentSourcedIds,grades,password"
            ),
            "u1,,,true,sch/1,teacher,ada,,Ada,Byron,,T1,ada@example.edu,,,,,hush-1",
            "u2,,,true,sch/1,student,bo,,Bo,Li,,S1,bo@example.edu,,,,9,hush-2",
            "u3,,,true,sch/1,student,cy,,Cy,Ray,,S2,,,,,9,",
        ]
    return [
        (
            f"{_BASE},enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,"
            "agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredMiddleName,"
            "preferredFamilyName,primaryOrgSourcedId,pronouns,metadata.studentPassword"
        ),
        "u1,,,true,ada,,Ada,Byron,,T1,ada@example.edu,,,,,hush-1,,,,,sch/1,she/her,hush-3",
        "u2,,,true,bo,,Bo,Li,,S1,bo@example.edu,,,,9,hush-2,,Bobby,,,sch/1,,hush-4",
        "u3,,,true,cy,,Cy,Ray,,S2,,,,,9,,,,,,sch/1,,",
    ]


def _results(version: str) -> list[str]:
    base = f"{_BASE},lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment"
    rows = [
        'x1,,,l1,u2,fully graded,9.5,2024-02-13,"Good,\nreally"',
        "x2,,,l2,u2,exempt,,2024-02-20,",
        "x3,,,l1,u3,not submitted,,2024-02-13,",
        "x4,,,l3,u2,fully graded,3,2024-02-20,",
    ]
    if version == "1.1":
        return [base, *rows]
    more = [",A,c/1 ä,false,false,true,false", ",,c/1 ä,,,,", ",,c/1 ä,false,false,false,true", ",,c2,,,,"]
    header = f"{base},textScore,classSourcedId,inProgress,incomplete,late,missing"
    return [header, *(row + rest for row, rest in zip(rows, more, strict=True))]


def lines(tables: Mapping[str, Sequence[str]], name: str) -> str:
    """Return a file's text with CRLF, as exports have it."""
    return "\r\n".join(tables[name]) + "\r\n"


def write_folder(folder: Path, tables: Mapping[str, Sequence[str]]) -> Path:
    """Write the files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in tables:
        (folder / f"{name}.csv").write_bytes(lines(tables, name).encode())
    return folder


def write_zip(path: Path, tables: Mapping[str, Sequence[str]], prefix: str = "") -> Path:
    """Write the files into a zip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in tables:
            archive.writestr(f"{prefix}{name}.csv", lines(tables, name))
    return path
