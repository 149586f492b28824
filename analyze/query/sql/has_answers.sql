-- Whether the lake has judged answers at all.
SELECT count(*) > 0 AS has FROM evals;
