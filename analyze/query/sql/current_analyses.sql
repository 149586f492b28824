-- Analyses whose results are current: their runs are all the runs that there are
-- of their subjects. (Analyses of runs that are gone are not in analyses at all.)
CREATE VIEW internal.current_analyses AS
WITH of AS (
    SELECT DISTINCT a.analysis, a.kind, a.inputs, s.*
    FROM internal.analyses a JOIN internal.series s
      ON (a.any_model OR a.model IS NOT DISTINCT FROM s.model)
     AND (a.any_hardware OR a.hardware IS NOT DISTINCT FROM s.hardware)
     AND (a.any_path_label OR a.path_label IS NOT DISTINCT FROM s.path_label)
     AND (a.any_runtime_version OR a.runtime_version IS NOT DISTINCT FROM s.runtime_version)
)
SELECT analysis, kind FROM of GROUP BY analysis, kind, inputs HAVING sum(runs) = inputs;
