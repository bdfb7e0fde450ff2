"""A participant's part in runs, whatever its role: approval, what it keeps, what it says and hears."""
