#!/usr/bin/env python3
"""The malformed models of at most 100 MB: see make_malformed.py and malformed.py."""
import malformed
from suite import finish

malformed.main([], long=False)
finish()
