"""What the server adds to uvicorn: deadlines, limits, cheaper frames and an orderly end."""
