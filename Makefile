# SPDX-License-Identifier: MIT
# A thin front for meson, which does the work: meson.build says how ferry is built, this file how
# to ask for it. Missing Debian packages are installed when this runs as root, and named otherwise.

build  := build
prefix := /usr/local
TIME   := 600

# The tool finds its library through /proc otherwise, which a bare chroot may not have.
run = LD_LIBRARY_PATH=$(CURDIR)/$(build)/src $(build)

missing = $(shell scripts/dependencies)
is_root = $(filter 0,$(shell id -u))
advice  = ferry needs packages that are not here; as root: apt-get install $(missing)

.PHONY: all demo test bench model torture kill install clean help packages

all: packages $(build)/build.ninja
	@ninja -C $(build) --quiet

demo: all
	@$(run)/cli/ferry demo

test: all
	@scripts/run-tests $(build)

bench: all
	@$(run)/cli/ferry bench mailbox

model: packages
	@models/check

torture: all
	@for kind in mailbox lock segment pipe; do \
		$(run)/cli/ferry torture $$kind --seconds $(TIME) || exit 1; \
	done

kill: all
	@$(run)/tests/kill/ferry-kill

# DESTDIR reaches meson through the environment. Without it the library goes where programs look
# for it, and the linker's cache must hear of that.
install: all
	@meson configure $(build) -Dprefix=$(prefix)
	@meson install -C $(build)
	@[ -n "$(DESTDIR)" ] || ldconfig || echo "run ldconfig as root, so that programs find libferry"

clean:
	rm -rf $(build)

help:
	@echo "make           build the library and the tool in $(build)/"
	@echo "make demo      build, then show ferry at work (under 30 seconds)"
	@echo "make test      build, then run the whole test suite"
	@echo "make bench     measure ferry beside the kernel's own ways"
	@echo "make model     check the models of the protocols with Spin, at full length"
	@echo "make torture   kill and stop members at random, TIME=$(TIME) seconds for each kind"
	@echo "make kill      kill and stop a member at every instruction of every operation (hours)"
	@echo "make install   install under prefix=$(prefix), below DESTDIR if that is set"
	@echo "make clean     remove $(build)/"

packages:
	@$(if $(missing),$(if $(is_root),scripts/dependencies install,$(error $(advice))),:)

# Ninja itself sees to it that this is done again when a meson.build changes.
$(build)/build.ninja: | packages
	@meson setup $(build)
