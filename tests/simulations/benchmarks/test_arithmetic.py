from simulations.benchmarks.arithmetic import measure_addition, measure_arithmetic, measure_flooding


def test_the_measurement_of_inner_products_says_what_was_promised() -> None:
    found = measure_arithmetic(3000, 5)
    assert found["exact"]
    assert (found["rows"], found["columns"]) == (3000, 5)
    assert 0 < found["ns_per_cell"] < found["ns_per_cell_with_flooding"] * 1.5
    assert found["noise_budget_left_bits"] >= found["noise_budget_left_bits_floor"] >= 1
    assert found["statistical_distance_bits"] > 64


def test_the_measurement_of_a_batch_is_exact() -> None:
    found = measure_addition(5000, 3)
    assert found["exact"]
    assert found["bytes_per_score"] < 30


def test_the_cost_of_an_answer_is_measured() -> None:
    assert all(milliseconds > 0 for milliseconds in measure_flooding().values())
