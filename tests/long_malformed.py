#!/usr/bin/env python3
"""The malformed models that take more than 100 MB or many seconds."""
import malformed
from suite import finish

malformed.main(["S16", "K2-ten", "K12", "J6"], long=True)
finish()
