package main

import (
	"os"

	"github.com/spf13/pflag"

	"github.com/servestat/servestat/ingest"
)

// shardVariables are by which a job says to each of its processes which one it is.
// Kubernetes does not say how many there are: the job's template has to, as
// JOB_COMPLETIONS.
var shardVariables = []struct{ index, count string }{
	{"JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"},
	{"CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"},
	{"AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"},
}

func shardFlag(f *pflag.FlagSet) {
	f.String("shard", "", "only a part of what is there, INDEX/COUNT from 0/8 to 7/8 (default: what a Kubernetes Indexed Job with JOB_COMPLETIONS, a Cloud Run job or an AWS Batch array says)")
}

// shard is the part of the uploads that is this process's.
func (a *app) shard() (ingest.Shard, error) {
	if text := a.config.GetString("shard"); text != "" {
		s, err := ingest.ParseShard(text)
		if err != nil {
			return s, usagef("--shard 0/1 is everything", "--shard: %w", err)
		}
		return s, nil
	}
	for _, v := range shardVariables {
		index, count := os.Getenv(v.index), os.Getenv(v.count)
		if index == "" {
			continue
		}
		if count == "" {
			return ingest.Shard{}, usagef("set "+v.count+" to the number of processes, or give --shard 0/1 for everything", "%s says that this is process %s of several, and %s does not say of how many", v.index, index, v.count)
		}
		s, err := ingest.ParseShard(index + "/" + count)
		if err != nil {
			return s, usagef("", "%s, %s: %w", v.index, v.count, err)
		}
		return s, nil
	}
	return ingest.Shard{}, nil
}
