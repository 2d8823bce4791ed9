# SPDX-License-Identifier: GPL-2.0-or-later
# Objects of replicactl.
replicactl-y += replicactl.o args.o print.o rpc.o json-text.o status.o replicas.o kernel-print.o
replicactl-y += cmd-status.o cmd-enable.o cmd-disable.o cmd-pause.o
replicactl-y += cmd-resync.o cmd-verify.o settle.o
replicactl-y += cmd-resume.o cmd-recover.o cmd-events.o cmd-kernel.o cmd-version.o cmd-help.o
replicactl-y += cmd-pair.o cmd-history.o cmd-test.o direct.o when.o
replicactl-y += cmd-failover.o cmd-resolve.o cmd-salvage.o moment.o confirm.o
replicactl-y += cmd-config.o cmd-match.o cmd-target.o cmd-set-type.o load.o many.o
replicactl-y += cmd-create.o cmd-delete.o cmd-extend.o cmd-path.o cmd-snapshot.o cmd-clone.o
replicactl-y += cmd-metrics.o metrics.o metrics-http.o
replicactl-y += cmd-top.o top-history.o top-screen.o events2.o
replicactl-y += cmd-doctor.o doctor-system.o doctor-config.o doctor-target.o
