"""What people look at: tables, figures, annotated frames."""
