"""Everything that shows a comparison: terminal, page, Markdown, tables, figures, and what MLflow is given."""
