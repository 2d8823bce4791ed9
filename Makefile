# SPDX-License-Identifier: GPL-2.0-or-later
#
# One make for everything outside the kernel module; the module goes through
# kbuild (Kbuild, kmod/Kbuild). Each folder lists its objects in its build.mk.
#
#   make            the library, replicad, replicactl, nbdkit's plugin, the
#                   module
#   make help       all targets and variables
#
# Two trees of objects: build/obj (what ships) and build/san (ASan, UBSan; the
# unit tests). Modules are built in build/kmod/VERSION[-fault], so that several
# kernels and the fault-injecting variant live side by side.

DESTDIR ?=
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
SBINDIR ?= $(PREFIX)/sbin
CC      ?= gcc
CFLAGS  ?= -O2 -g
WERROR  ?=
SAN     ?= -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	   -fno-omit-frame-pointer

Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-7s %s\n' $(1) $(2))

all: progs modules-if-possible
progs:
.PHONY: all progs
.SECONDARY:
.DELETE_ON_ERROR:

# --- what each folder has ---------------------------------------------------
lib-y :=
replicad-y :=
replicactl-y :=
plugin-y :=
unit-y :=
tools-y :=
fault-y :=
shared-y :=
-include lib/build.mk daemon/build.mk utils/build.mk tests/build.mk

lib-objs := $(addprefix lib/,$(lib-y))
replicad-objs := $(addprefix daemon/,$(replicad-y))
replicactl-objs := $(addprefix utils/,$(replicactl-y)) \
		   $(if $(replicactl-y),kmod/format.o daemon/history-json.o \
		   daemon/salvage-file.o daemon/notify.o \
		   daemon/pairing-file.o daemon/pairing-token.o \
		   $(patsubst %.c,%.o,$(wildcard daemon/config*.c)) \
		   daemon/state-file.o daemon/log.o)
plugin-objs := $(addprefix daemon/,$(plugin-y))
testable-objs := $(filter-out daemon/main.o,$(replicad-objs))

# --- libraries ---------------------------------------------------------------
PACKAGES := libnl-3.0 libnl-genl-3.0 liburing devmapper jansson inih libisal \
	    libxxhash gnutls nbdkit libmicrohttpd
no-libs-goals := clean help deps style check soak demo bench modules list-unit install-dkms \
		 check-kernels check-debug check-kcsan
ifneq ($(filter-out $(no-libs-goals),$(or $(MAKECMDGOALS),all)),)
ifeq ($(shell command -v pkg-config),)
$(error pkg-config is missing. As root, "make deps" installs what is needed)
endif
missing := $(strip $(foreach p,$(PACKAGES),\
	     $(shell pkg-config --exists $(p) || echo $(p))))
ifneq ($(missing),)
$(error these libraries are missing: $(missing). As root, "make deps" \
	installs them)
endif
LIB_CFLAGS := $(shell pkg-config --cflags $(PACKAGES))
LIB_LIBS := $(shell pkg-config --libs \
	    $(filter-out libmicrohttpd,$(PACKAGES))) -lpthread
endif
ifneq ($(LIB_LIBS),)
utils/replicactl: LIB_LIBS += $(shell pkg-config --libs libmicrohttpd)
endif

cppflags := -D_GNU_SOURCE -Ilib -Idaemon -Iutils -Ikmod/uapi $(LIB_CFLAGS) \
	    $(CPPFLAGS)
cflags := -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes \
	  -Wmissing-prototypes -Wno-unused-parameter -fPIC \
	  $(if $(WERROR),-Werror) $(CFLAGS)

# --- objects -------------------------------------------------------------------
build/obj/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(cppflags) $(cflags) -MMD -MP -c -o $@ $<

build/san/%.o: %.c Makefile
	$(call say,CC,"$< (sanitized)")
	@mkdir -p $(@D)
	$(Q)$(CC) $(cppflags) $(cflags) $(SAN) -MMD -MP -c -o $@ $<

-include $(shell test -d build && find build/obj build/san build/fault \
	 -name '*.d'	 2>/dev/null)

# --- the library ---------------------------------------------------------------
LIB_SONAME := libreplica.so.0

lib/libreplica.a: $(addprefix build/obj/,$(lib-objs))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

lib/libreplica.so: $(addprefix build/obj/,$(lib-objs)) lib/libreplica.map
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,$(LIB_SONAME) \
		-Wl,--version-script=lib/libreplica.map -Wl,-z,defs \
		$(cflags) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIB_LIBS)

build/san/libreplica.a: $(addprefix build/san/,$(lib-objs))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

# --- programs ------------------------------------------------------------------
link = $(Q)$(CC) $(cflags) $(1) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) \
       $(LIB_LIBS)

daemon/replicad: $(addprefix build/obj/,$(replicad-objs)) \
		build/obj/kmod/format.o lib/libreplica.a
	$(call say,LD,$@)
	$(call link)

utils/replicactl: $(addprefix build/obj/,$(replicactl-objs)) lib/libreplica.a
	$(call say,LD,$@)
	$(call link)

# The codec of the metadata device is the module's own file.
format-users := $(addprefix build/obj/,utils/replica-dump.o \
	utils/cmd-kernel.o daemon/metadata-file.o daemon/activation.o \
	daemon/activation-ask.o daemon/promotion-metadata.o daemon/driver.o) \
	build/san/daemon/metadata-file.o build/san/daemon/activation.o \
	build/san/daemon/activation-ask.o build/san/daemon/driver.o \
	build/san/daemon/promotion-metadata.o \
	build/san/kmod/format.o
$(format-users) build/obj/kmod/format.o: cppflags += -Ikmod

# For unit tests: not taken from it by those that have the file in themselves.
build/san/libformat.a: build/san/kmod/format.o
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

utils/replica-dump: build/obj/utils/replica-dump.o build/obj/kmod/format.o \
		build/obj/utils/dump-stage.o lib/libreplica.a
	$(call say,LD,$@)
	$(call link)

# nbdkit finds what it provides in itself: no -z defs here.
PLUGIN := nbdkit-replica-plugin.so
link-plugin = $(Q)$(CC) -shared -Wl,--version-script=$(filter %.map,$^) \
	-Wl,--as-needed $(cflags) $(1) $(LDFLAGS) -o $@ \
	$(filter %.o %.a,$^) $(LIB_LIBS)
daemon/$(PLUGIN): $(addprefix build/obj/,$(plugin-objs)) lib/libreplica.a \
		daemon/nbdkit-replica-plugin.map
	$(call say,LD,$@)
	$(call link-plugin)
build/san/$(PLUGIN): $(addprefix build/san/,$(plugin-objs)) \
		build/san/libreplica.a daemon/nbdkit-replica-plugin.map
	$(call say,LD,$@)
	$(call link-plugin,$(SAN))

progs: $(if $(lib-y),lib/libreplica.a \
	 $(if $(wildcard lib/libreplica.map),lib/libreplica.so)) \
       $(if $(replicad-y),daemon/replicad) \
       $(if $(replicactl-y),utils/replicactl utils/replica-dump) \
       $(if $(plugin-y),daemon/$(PLUGIN))

# --- tests ---------------------------------------------------------------------
unit-progs := $(addprefix build/san/tests/,$(unit-y))
tool-progs := $(addprefix build/tests/,$(tools-y))

.SECONDEXPANSION:
$(unit-progs): build/san/tests/%: build/san/tests/%.o \
		$$(addprefix build/san/,$$($$*-y)) \
		$(addprefix build/san/,$(testable-objs)) \
		build/san/libreplica.a build/san/libformat.a
	$(call say,LD,$@)
	$(call link,$(SAN))

$(tool-progs): build/tests/%: build/obj/tests/%.o \
		$$(addprefix build/obj/,$$($$*-y)) lib/libreplica.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(call link)

$(shared-y:%=build/tests/%.so): build/tests/%.so: build/obj/tests/%.o
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(cflags) $(LDFLAGS) -o $@ $<

# The plugin and programs in which rules can be switched off, see
# tests/stage-fault-env.c.
fault-objs := $(addprefix build/fault/,$(filter lib/stage%,$(lib-objs)) \
	      tests/stage-fault-env.o)
build/fault/%.o: %.c Makefile
	$(call say,CC,"$< (with faults)")
	@mkdir -p $(@D)
	$(Q)$(CC) $(cppflags) -DSTAGE_FAULTS $(cflags) -MMD -MP -c -o $@ $<
build/tests/fault-plugin.so: $(fault-objs) \
		$(addprefix build/obj/,$(plugin-objs)) lib/libreplica.a \
		daemon/nbdkit-replica-plugin.map
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(call link-plugin)

fault-progs := $(addprefix build/tests/,$(fault-y))
$(fault-progs): build/tests/%: build/fault/tests/%.o \
		$$(addprefix build/fault/,$$($$*-y)) $(fault-objs) \
		lib/libreplica.a
	$(call say,LD,$@)
	$(call link)

tools: $(tool-progs) $(fault-progs) build/san/$(PLUGIN) $(shared-y:%=build/tests/%.so) \
       build/tests/fault-plugin.so
unit-build: $(unit-progs)
unit: unit-build
	$(Q)tests/run-tests --title "unit tests" $(sort $(unit-progs))
list-unit:
	@echo $(sort $(unit-y))
.PHONY: tools unit unit-build list-unit

# What can be tested installs first what it needs, then builds, then runs.
check:
	$(Q).ci/deps
	$(Q)$(MAKE) --no-print-directory progs tools unit-build
	$(Q)tests/check

# The fuzzers of the codecs, and of a log's recovery, driven by libFuzzer: for
# the corpora in tests/corpus, not for "make check" (that takes random changes).
FUZZ_SECONDS ?= 60
fuzz-codecs := $(addprefix build/fuzz/,fuzz-format fuzz-header)
fuzz-stage := build/fuzz/fuzz-stage-recover
fuzz-progs := $(fuzz-codecs) $(fuzz-stage)
fuzz-cc = clang -O1 -g $(cppflags) -Ikmod -DLIBFUZZER -Wno-c2x-extensions \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
$(fuzz-codecs): build/fuzz/%: tests/%.c tests/fuzz.h lib/header.c kmod/format.c
	$(call say,CLANG,$@)
	@mkdir -p $(@D)
	$(Q)$(fuzz-cc) -o $@ $< -lisal -lxxhash
$(fuzz-stage): tests/fuzz-stage-recover.c $(stage-rig-objs:.o=.c) \
		$(wildcard lib/stage*.c) lib/header.c lib/error.c
	$(call say,CLANG,$@)
	@mkdir -p $(@D)
	$(Q)$(fuzz-cc) -o $@ $^ -lisal -lxxhash -lpthread
# Then walks of sessions and writes through the plugin, over NBD.
fuzz: $(fuzz-progs) progs tools
	$(Q)tests/run-fuzz $(FUZZ_SECONDS) $(fuzz-progs)
	$(Q)DMR_FUZZ_SECONDS=$(FUZZ_SECONDS) \
		tests/test-native-plugin-holds-in-any-order.sh
.PHONY: fuzz

# The tests in machines on other kernels: all of them on the newest of Debian 12's
# backports and of all suites; on the debug kernel; on the one with KCSAN those
# that race the marking, the cut and the preservation. The debug kernel is killed,
# too, with the oracle outside of the machine.
kcsan-tests := $(wildcard $(addprefix tests/test-,*cut* *preserv* *epoch* \
	       view-read* view-shows* degrading* group-* flush-* discards* \
	       meta-hot* meta-range* meta-volume* hold-* reload-under* \
	       release* owner-gone* storm-*))
check-kernels: check-on = backports newest
check-debug: check-on = debug
check-kcsan: check-on = kcsan -- $(sort $(filter-out tests/test-native-% \
	$(wildcard tests/test-*power-cut*),$(kcsan-tests)))
check-kernels check-debug check-kcsan:
	$(Q).ci/deps $(if $(filter check-kernels,$@),,kernel)
	$(Q)$(MAKE) --no-print-directory progs tools
	$(Q)tests/check-on $(check-on)
	$(if $(filter check-kcsan,$@),$(Q)tests/run-tests \
		tests/test-kcsan-sees-a-race.sh)
	$(if $(filter check-debug,$@),$(Q)DMR_KERNEL=debug DMR_SLOW=6 \
		tests/run-tests tests/test-oracle-holds-across-power-cuts.sh \
		tests/test-meta-killed-machines-forget-no-write.sh \
		$(wildcard tests/test-meta-power-cut*))
# What "make check" leaves out, or does less of: models, kills, power cuts, cuts of
# links; it takes hours. Then a random walk, again and again, until one is wrong or
# the time is over.
soak-tests = $(filter-out %-kcsan-sees-a-race.sh,$(shell grep -lE \
	'lab:.*\bsoak\b|DMR_SOAK([^_A-Z]|$$)|lib-model' tests/test-*.sh))
SOAK_SECONDS ?= 3600
soak:
	$(Q).ci/deps
	$(Q)$(MAKE) --no-print-directory progs tools
	$(Q)DMR_SOAK=1 DMR_PATIENCE=20 tests/run-tests $(soak-tests)
	$(Q)DMR_SOAK_SECONDS=$(SOAK_SECONDS) DMR_WALK_STEPS=40 \
		DMR_SEED=$${DMR_SEED:-$$(date +%s)} \
		tests/test-native-random-walk-keeps-the-promises.sh
demo:
	$(Q).ci/deps
	$(Q)$(MAKE) --no-print-directory progs
	$(Q)tests/demo/run
bench:
	$(Q).ci/deps
	$(Q)$(MAKE) --no-print-directory progs tools
	$(Q)tests/bench/run
deps:
	$(Q).ci/deps
style:
	$(Q).ci/style
.PHONY: check check-kernels check-debug check-kcsan soak demo bench deps style

# --- the kernel module ----------------------------------------------------------
# KVER: the kernel to build for. Without it: the running kernel if its headers
# are installed, else the newest installed headers.
kdir-of = $(firstword $(wildcard /lib/modules/$(1)/build \
	    /usr/src/linux-headers-$(1)))
KVER ?= $(or $(if $(call kdir-of,$(shell uname -r)),$(shell uname -r)),\
	$(shell ls /lib/modules/*/build -d /usr/src/linux-headers-*-amd64 -d \
		2>/dev/null | sed 's|/lib/modules/\(.*\)/build|\1|; \
		s|.*/linux-headers-||' | sort -V | tail -n 1))
KDIR ?= $(call kdir-of,$(KVER))
DMR_FAULT ?=
KMOD_OUT ?= $(CURDIR)/build/kmod/$(KVER)$(if $(DMR_FAULT),-fault)
kbuild = $(MAKE) $(if $(V),V=1,--no-print-directory) -C $(KDIR) M=$(KMOD_OUT) \
	 $(if $(DMR_FAULT),DMR_FAULT=y) $(if $(WERROR),KCFLAGS=-Werror) \
	 $(KBUILD_FLAGS)

modules: kmod-tree
	$(Q)$(kbuild) modules

kmod-tree:
	@test -n "$(KDIR)" || { echo "There are no kernel headers" \
		"$(if $(KVER),for $(KVER) )here. As root, \"make deps\"" \
		"installs Debian's" >&2; exit 1; }
	@mkdir -p $(KMOD_OUT)
	@cp -rsf $(CURDIR)/Kbuild $(CURDIR)/kmod $(KMOD_OUT)/
	@find $(KMOD_OUT) -xtype l -delete

modules-if-possible:
ifneq ($(wildcard kmod/Kbuild),)
ifneq ($(KDIR),)
modules-if-possible: modules
else
modules-if-possible:
	@echo "  NOTE    no kernel headers here: the module is not built"
endif
endif
.PHONY: modules modules-if-possible kmod-tree

# --- install, clean, help ---------------------------------------------------------
# The module is installed for KVER; the public header is what replica.h includes.
public-headers = lib/replica.h $(addprefix lib/,\
	$(shell sed -n 's/^\#include "\(.*\)"/\1/p' lib/replica.h))
plugin-dir = $(shell nbdkit --dump-config | sed -n 's/^plugindir=//p')
bash-completion = $(PREFIX)/share/bash-completion/completions

# A package sets UNITDIR and UDEVDIR to systemd's own folder.
UNITDIR ?= $(PREFIX)/lib/systemd/system
UDEVDIR ?= $(PREFIX)/lib/udev

# replica.conf(5) has the sections of replicad(8) on the configuration.
whole-pod = awk '/^=for include/ { while ((getline l < m) > 0) { \
		if (l ~ /^=head1/) on = l ~ /CONF|TLS|STAGE/; \
		if (on) print l } next } 1' m=Documentation/man/replicad.8.pod

install: progs install-files $(if $(SKIP_MODULE),,install-module)

install-files: progs
	$(Q)install -D -t $(DESTDIR)$(SBINDIR) daemon/replicad \
		utils/replicactl utils/replica-dump
	$(Q)install -D -m 644 -t $(DESTDIR)$(LIBDIR) lib/libreplica.a
	$(Q)install -D -m 755 lib/libreplica.so \
		$(DESTDIR)$(LIBDIR)/$(LIB_SONAME)
	$(Q)ln -sf $(LIB_SONAME) $(DESTDIR)$(LIBDIR)/libreplica.so
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/replica \
		$(public-headers)
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/linux \
		kmod/uapi/linux/*.h
	$(Q)install -d $(DESTDIR)$(UNITDIR)
	$(Q)for unit in utils/systemd/*.service; do \
		sed 's|@SBINDIR@|$(SBINDIR)|' $$unit \
			>$(DESTDIR)$(UNITDIR)/$${unit##*/} || exit 1; \
	done
	$(Q)for kind in sysusers tmpfiles; do \
		install -D -m 644 utils/systemd/dm-replica.$$kind \
		$(DESTDIR)$(PREFIX)/lib/$$kind.d/dm-replica.conf || exit 1; \
	done
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/dm-replica/monitoring \
		utils/monitoring/*
	$(Q)install -D -m 644 -t $(DESTDIR)$(UDEVDIR)/rules.d \
		utils/udev/58-dm-replica.rules
	$(Q)install -D -m 644 utils/completion/replicactl.bash \
		$(DESTDIR)$(bash-completion)/replicactl
	$(Q)dir="$(plugin-dir)"; test -n "$$dir" || { \
		echo "nbdkit is missing: where do its plugins go?" >&2; \
		exit 1; }; \
		install -D -t "$(DESTDIR)$$dir" daemon/$(PLUGIN)
	$(Q)for pod in Documentation/man/*.[1-8].pod; do \
		name=$${pod##*/}; name=$${name%.pod}; sect=$${name##*.}; \
		dir=$(DESTDIR)$(PREFIX)/share/man/man$$sect; \
		install -d $$dir && $(whole-pod) $$pod | \
			pod2man -s $$sect -c dm-replica -r "" \
			-n "$${name%.*}" >$$dir/$$name || exit 1; \
	done

# The module's source, for DKMS to build it on each kernel.
VERSION := $(shell sed -n 's/.*REPLICA_VERSION[[:space:]]*"\(.*\)"/\1/p' daemon/version.h)
dkms-dir = $(DESTDIR)/usr/src/dm-replica-$(VERSION)
install-dkms:
	$(Q)install -d $(dkms-dir)
	$(Q)sed 's/@VERSION@/$(VERSION)/' utils/packaging/dkms.conf \
		>$(dkms-dir)/dkms.conf
	$(Q)cp Kbuild $(dkms-dir)/
	$(Q)find kmod -name '*.[ch]' -o -name Kbuild | cpio -pdm --quiet \
		$(dkms-dir)

# A Debian package, with what this machine has: build/dm-replica_VERSION_ARCH.deb
deb:
	$(Q)rm -rf build/deb
	$(Q)$(MAKE) --no-print-directory install-files install-dkms \
		DESTDIR=$(CURDIR)/build/deb PREFIX=/usr \
		UNITDIR=/usr/lib/systemd/system UDEVDIR=/usr/lib/udev
	$(Q)utils/packaging/build-deb build/deb $(VERSION) \
		build/dm-replica_$(VERSION)_$(shell \
		dpkg --print-architecture).deb
.PHONY: install-dkms deb

install-module: modules
	$(Q)$(kbuild) INSTALL_MOD_PATH=$(DESTDIR) CONFIG_MODULE_SIG_ALL= \
		DEPMOD=true modules_install
	$(Q)test -n "$(DESTDIR)" || depmod -a $(KVER)
.PHONY: install install-files install-module

clean:
	$(Q)rm -rf build bench.json daemon/replicad daemon/$(PLUGIN) \
		utils/replicactl utils/replica-dump \
		lib/libreplica.a lib/libreplica.so
.PHONY: clean

help:
	@sed -n 's/^#? \{0,1\}//p' Makefile
.PHONY: help
#? Targets
#?   all       library, replicad, replicactl, nbdkit's plugin, and the module
#?             (the default)
#?   progs     all but the module          modules   the module only
#?   demo      two virtual machines, a site lost and back, 8 minutes
#?   check     every test                  unit      only the unit tests
#?   fuzz      FUZZ_SECONDS of libFuzzer for each codec and for a log's recovery
#?             (needs clang), and of walks over NBD
#?   check-kernels   the tests in machines, on newer kernels
#?   check-debug     the same on one with KASAN, lockdep, kmemleak, faults
#?   check-kcsan     those of concurrent paths, on one with KCSAN
#?   soak      the long forms of models, kills and cuts (hours), then random
#?             walks of verbs and faults, for SOAK_SECONDS (1 h)
#?   bench     measures, writes bench.json style     house rules
#?   deps      installs the Debian packages that building and testing need
#?   install   into DESTDIR, PREFIX (/usr/local); SKIP_MODULE=1 leaves it out
#?   deb       a Debian package in build/; the module comes as DKMS source
#?   clean     removes everything that was built
#? Variables
#?   V=1 shows commands   WERROR=1 warnings are errors   CFLAGS, CPPFLAGS, CC
#?   KVER=VERSION kernel to build the module for, KDIR=its headers
#?   DMR_FAULT=1 the module with test-only fault points
