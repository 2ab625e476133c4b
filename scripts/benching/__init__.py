"""The benchmark: what the ledger reaches, as ratios, against the targets of docs/performance.md.

Each line of the table is a generator of turns. A turn holds two pieces of work whose inputs are
made already, ours and the one it is compared with; `rounds` runs them in alternation and takes the
median. Nothing here is part of the product.
"""
