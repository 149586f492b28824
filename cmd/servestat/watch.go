package main

import "github.com/spf13/cobra"

func (a *app) watchCommand() *cobra.Command { return &cobra.Command{Use: "watch"} }
