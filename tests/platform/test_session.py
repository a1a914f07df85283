"""The session that every job runs in."""


def test_no_generated_method_is_larger_than_what_java_compiles(spark):
    assert spark.conf.get("spark.sql.codegen.hugeMethodLimit") == "8000"
