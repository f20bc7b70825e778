"""How retrieval grows: the two-stage search, its recall, its memory, and ingest, at 10,000 to 1,000,000 steps.

    make bench-retrieval                                        all sizes, into docs/bench/retrieval.{json,md,png}
    make bench-retrieval ARGS="--sizes 10000,100000 --out DIR"

Each size is a snapshot made through `stepreward.retrieval.store`, in a process of the embedded engine and a directory
of its own, searched by the service's own `Retriever`. What is built stays in the work directory: the next run only
searches.

    texts.py     which solutions are stored and which are asked
    vectors.py   vectors for more steps than there are texts
    engine.py    the engine as a process: its memory, its disk
    build.py     a snapshot of one size, and what making it cost
    search.py    one search, timed; recall against exact search
    report.py    medians, intervals, table, picture
"""
