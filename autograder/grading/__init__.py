"""The instructor's side: release, grade, report. The student's side never imports it."""

import sys

# nbformat validates with jsonschema, which imports rfc3987_syntax where it finds it, and that takes two seconds to
# build a grammar of international addresses. No notebook schema asks for that format: do without.
sys.modules.setdefault("rfc3987_syntax", None)
