from jsonschema import Draft202012Validator

from genre_spark.publishing import manifest

SCHEMAS = {"labels": manifest.labelled_schema(), "manifest": manifest.manifest_schema()}


def violations(part, instance):
    """Where an instance departs from the schema of ``labels`` or ``manifest``, as JSON paths."""
    found = Draft202012Validator(SCHEMAS[part]).iter_errors(instance)
    return sorted(error.json_path for error in found)
