package main

import "github.com/spf13/cobra"

const lakeLong = `A lake is a folder of files that are written once. These commands look after it:

  check    read everything, and say what is missing or damaged
  compact  merge small blocks into larger ones; readers are not disturbed
  gc       remove what no reader needs any more
  rebuild  read the kept uploads again with the readers of this version

Each can be interrupted, or killed, at any moment, and run again.`

func (a *app) lakeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lake COMMAND",
		Short: "look after the lake",
		Long:  lakeLong,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(a.lakeCheckCommand(), a.lakeCompactCommand(), a.lakeGCCommand(), a.lakeRebuildCommand())
	return cmd
}

// upkeepMemory is how much check and compact may take before garbage is collected more
// often than it would be by itself.
const upkeepMemory = 256 << 20

// noArgs wants no positional arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("the lake is named by --lake", "%s takes no arguments, got %q", cmd.CommandPath(), args[0])
	}
	return nil
}
