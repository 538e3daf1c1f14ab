"""Tables: the ledger's contract, its sources and mappings, and the simulated marketplace."""
