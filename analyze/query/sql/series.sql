-- The series that runs make, and how many runs each has.
CREATE VIEW internal.series AS
SELECT model, hardware, path_label, runtime_version, count(*) AS runs FROM runs GROUP BY ALL;
