"""The benchmark of imports, made small."""

from simulations.benchmarks.importing import measure_import


def test_an_import_is_timed_in_a_process_of_its_own() -> None:
    of_this_process = b"x" * (700 << 20)
    report = measure_import(300, 20, ("csv",))
    del of_this_process
    assert (report["enterprises"], report["items"]) == (300, 20)
    assert report["csv"]["file_bytes"] > 0
    for figures in (report["csv"]["first"], report["csv"]["again"]):
        assert (figures["rows"], figures["models"]) == (300, 1)
        steps = sum(figures[f"seconds_{step}"] for step in ("table", "partials", "database"))
        assert 0 < steps <= figures["seconds"]
        assert 50 < figures["maximum_resident_mib"] < 650, "the memory of whoever started it is not its own"
