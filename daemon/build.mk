# SPDX-License-Identifier: GPL-2.0-or-later
# Objects of replicad; main.o is the only one that unit tests do not link.
replicad-y += pairing.o pairing-invite.o pairing-wire.o pairing-file.o
replicad-y += pairing-token.o methods-pair.o route.o routing.o routing-link.o methods-route.o
replicad-y += route-taking.o route-delete.o
config-y := config.o config-key.o config-section.o config-file.o
config-y += config-match.o config-devices.o config-resolve.o config-finish.o config-check.o
config-y += config-save.o config-pool.o config-target.o config-show.o
replicad-y += $(config-y) log.o pair.o state-file.o
replicad-y += main.o options.o daemon.o ops.o ops-compare.o ops-pause.o ops-again.o control.o methods.o params.o tenant.o status.o look.o cinder-words.o
replicad-y += ops-replace.o ops-dry.o reload.o methods-config.o methods-target.o methods-check.o methods-many.o methods-enable.o
replicad-y += request.o insertion.o continuity.o boot.o
replicad-y += methods-history.o methods-replicas.o history-json.o ask.o child.o
replicad-y += methods-delete.o methods-delete-promoted.o notice.o methods-path.o usable.o growth.o ops-extend.o promoted.o
replicad-y += made.o driver.o driver-file.o driver-lvm.o file-copy.o ops-make.o methods-make.o methods-made.o stages.o
replicad-y += ops-snapshot.o ops-aside.o methods-snapshot.o recovery.o methods-recover.o
replicad-y += testdev.o testdev-record.o testdev-attach.o testdev-source.o
replicad-y += testdev-pin.o testdev-name.o testdev-epoch.o serve-image.o
replicad-y += events.o reactor.o group.o group-members.o group-beat.o
replicad-y += group-failure.o place.o takeover.o
replicad-y += fence.o hooks.o hook-process.o hooks-late.o pace.o lag.o ship.o volume.o
replicad-y += target.o probe.o judge.o identity.o
replicad-y += kernel.o kernel-dm.o lvm.o tool.o kernel-netlink.o
replicad-y += backend.o backend-nbd.o backend-nbd-call.o backend-local.o
replicad-y += backend-stage.o local-stage.o plugin-options.o
replicad-y += xfer.o limit.o
replicad-y += batch.o pump.o pump-read.o pump-compare.o pump-park.o spool.o
replicad-y += window.o compare.o verify.o verify-read.o
replicad-y += metadata-file.o salvage-file.o loop.o methods-failover.o methods-salvage.o methods-failover-many.o lineage.o resolve.o
replicad-y += promotion-find.o promotion-status.o promotion-ask.o
replicad-y += promotion.o promotion-run.o promotion-plan.o promotion-record.o promotion-metadata.o promotion-end.o activation.o
replicad-y += activation-ask.o giving-up.o given-up.o resolve-look.o resolve-salvage.o
replicad-y += resolve-local.o keeping.o methods-keep.o
replicad-y += methods-failover-ask.o notify.o watchdog.o
# Objects of nbdkit's plugin.
plugin-y += nbdkit-replica-plugin.o plugin-options.o plugin-export.o
plugin-y += plugin-names.o plugin-list.o plugin-quota.o plugin-log.o plugin-relay.o
plugin-y += $(config-y) state-file.o
