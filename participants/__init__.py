"""Departments and banks: their records, their keys, their side of every protocol."""
