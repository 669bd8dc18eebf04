"""The instructor's side: release, grade, report. The student's side never imports it."""
