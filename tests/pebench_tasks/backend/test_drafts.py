from pebench_tasks.backend.drafts import LONGEST, START, Drafts


def test_an_answer_that_begins_like_an_earlier_one_is_guessed_to_go_on_like_it() -> None:
    drafts = Drafts()
    drafts.learn([1, 2, 3, 4, 5, 6])
    assert drafts.guess([1], 3) == [2, 3, 4]
    assert drafts.guess([1, 2, 3, 4], 9) == [5, 6]


def test_an_answer_that_is_like_no_other_is_not_guessed() -> None:
    drafts = Drafts()
    assert drafts.guess([1], 9) == []
    drafts.learn([1, 2, 3, 4])
    assert drafts.guess([7], 9) == []
    assert drafts.guess([1, 2, 3, 4], 9) == []  # it was at its end


def test_a_few_equal_tokens_are_enough_in_the_middle_of_an_answer() -> None:
    drafts = Drafts()
    drafts.learn([1, 2, 3, 4, 5])
    assert drafts.guess([9, 9, 2, 3, 4], 9) == [5]
    assert drafts.guess([9, 3, 4], 9) == []


def test_the_latest_answer_counts() -> None:
    drafts = Drafts()
    drafts.learn([1, 2, 3])
    drafts.learn([1, 2, 4])
    assert drafts.guess([1], 9) == [2, 4]


def test_guesses_grow_while_they_are_right_and_shrink_while_they_are_wrong() -> None:
    drafts = Drafts()
    for _ in range(10):
        drafts.check(right=9, guessed=10)
    assert drafts.length == LONGEST
    for _ in range(10):
        drafts.check(right=1, guessed=10)
    assert drafts.length == 1
    drafts.learn(list(range(100)))
    assert drafts.guess([0], 9) == [1]


def test_the_start_is_no_token() -> None:
    assert START < 0
