"""Topics of a report, one module each: its tables, findings and charts."""
