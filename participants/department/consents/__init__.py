"""The consents that a department keeps, and whether one allows what is asked.

Each was verified when it was taken in, and is looked at anew for each request.

    keeping.py   takes consents in, once their signatures are verified, and changes that are handed to this department
    checks.py    the steps by which a request under a consent is judged
    listing.py   how each stands now, for the operator
"""
