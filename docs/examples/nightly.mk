# A nightly run without a scheduler: make -f nightly.mk labelled CATALOG=/data/tracks MODEL=mine@champion
# By cron:  15 2 * * *  make -f /opt/genre-spark/nightly.mk labelled >> /var/log/genre-spark.log 2>&1
CATALOG ?= /data/tracks
HELD_BACK ?= /data/held-back
LABELLED ?= /data/labelled
REGISTRY ?= /data/models
MODEL ?= $(REGISTRY)/mine@champion
VERSION ?= $(shell date +%F)
TOLD = --json --log-format json --metrics /var/lib/node_exporter/textfile/genre_spark_$@.prom
# In one process each: make gives the exit code of the command that failed.
.PHONY: labelled candidate promoted

labelled:
	genre-spark score --catalog $(CATALOG) --model $(MODEL) --output $(LABELLED) --table-format delta --incremental $(TOLD)

candidate:
	genre-spark cluster --catalog $(CATALOG) --previous $(MODEL) --output $(REGISTRY)/mine-clusters/$(VERSION) $(TOLD)
	genre-spark train --catalog $(CATALOG) --clusters $(REGISTRY)/mine-clusters/$(VERSION) --output $(REGISTRY)/mine/$(VERSION) $(TOLD)

promoted: candidate
	genre-spark models promote $(REGISTRY)/mine/$(VERSION) --catalog $(HELD_BACK) $(TOLD)
