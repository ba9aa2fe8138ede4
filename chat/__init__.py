"""The domain and its doors; knows no database."""
