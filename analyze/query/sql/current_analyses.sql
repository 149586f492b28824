-- Analyses whose results are current: their runs are all the runs that there are
-- of their subjects. Stands in the views over results; those of runs that readers
-- no longer see are left out before.
SELECT analysis FROM (
    SELECT DISTINCT analysis, inputs, s.*
    FROM (VALUES {{analyses}}) a(analysis, inputs, {{columns}})
    JOIN (SELECT model, hardware, path_label, runtime_version, count(*) AS runs FROM runs GROUP BY ALL) s
      ON (any_model OR a.model IS NOT DISTINCT FROM s.model)
     AND (any_hardware OR a.hardware IS NOT DISTINCT FROM s.hardware)
     AND (any_path_label OR a.path_label IS NOT DISTINCT FROM s.path_label)
     AND (any_runtime_version OR a.runtime_version IS NOT DISTINCT FROM s.runtime_version)
)
GROUP BY analysis, inputs HAVING sum(runs) = inputs
