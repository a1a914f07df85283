"""What the model card says of synthetic genres."""

from support.generated import make_manifest

from genre_spark.clustering.quality_results import Stability
from genre_spark.clustering.results import Discovery, GenreRules, Rules
from genre_spark.reporting import model_card


def test_the_card_reports_how_stable_synthetic_genres_are_and_calls_no_rule_an_accuracy():
    rules = Rules(
        agreement=0.912,
        unseen=400,
        n_leaves=14,
        genres=(GenreRules(id=0, sentences=("major",), recall=0.9, precision=None),),
    )
    found = Discovery(
        k=12, stability=Stability(tracks=9, seeds=(1, 0.9), bootstraps=(0.95,)), rules=rules
    )
    content = {"clusters": found}
    told = model_card.render(make_manifest().model_copy(update=content))
    assert "adjusted Rand index 0.950 ± 0.050 over seeds, 0.950 ± 0.000 over bootstraps." in told
    assert (
        "14 rules on features of tracks and artists agree with them on 91.2% of 400 unseen tracks"
        in told
    )
    assert "ccuracy" not in told
