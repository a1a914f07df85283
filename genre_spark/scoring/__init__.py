"""Labels tracks: on Spark, in its Python workers and in memory."""
