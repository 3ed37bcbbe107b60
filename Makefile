# Volley's build.  config.mk, written by ./configure, says how; this file says what.
#
#   make             build/volleyd and build/volley (in a clone: makes and runs configure first)
#   make demo        everything from packages to a running volleyd with one event sent
#   make check       packages, build, every test (the integration tests' summary comes last)
#   make lint        format, cppcheck, clang-tidy, mandoc, layers
#   make reference   write the generated parts of volley-project(5) and volley.yaml(5)
#   make bench       measure volleyd, its peers and nginx
#   make install     under $(prefix), with DESTDIR; then also: make uninstall
#   make dist        volley-VERSION.tar.gz with configure inside
#
# make BUILD=build-asan SANITIZE=1 builds with the sanitizers beside the plain build, DEBUG=1
# without optimisation and with poisoned objects, WERROR=1 turns warnings into errors.

MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.SUFFIXES:

BUILD  ?= build
PYTHON ?= /usr/bin/python3

# These goals prepare themselves and call make again; only the others need config.mk.
FREESTANDING = configure clean distclean dist check check-sanitize demo bench format lint help
all:
# Goals that a person starts on an empty tree build on all cores, unless told how many.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
GOALS = $(or $(MAKECMDGOALS),all)
ifneq ($(filter-out $(FREESTANDING),$(GOALS)),)
include config.mk
endif

# ---- configure -------------------------------------------------------------------------------

configure: configure.ac
	@command -v autoconf >/dev/null || { \
		echo 'make: autoconf is needed to make configure in a clone: apt-get install autoconf' >&2; exit 1; }
	autoconf
	@touch $@

config.mk: configure config.mk.in
	@if test -x config.status; then ./config.status --recheck && ./config.status; \
	else ./configure; fi || { \
		echo 'make: ./configure must succeed first; tools/packages build installs what it needs' >&2; exit 1; }

# ---- flags -----------------------------------------------------------------------------------

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unused-parameter
DEFINES  = -D_GNU_SOURCE -DVOLLEY_VERSION='"$(VERSION)"' -DVOLLEY_DATADIR='"$(datadir)/volley"' \
	-DVOLLEY_SYSCONFDIR='"$(sysconfdir)/volley"' -DVOLLEY_SOURCE_ETC='"$(CURDIR)/etc"'
HARDEN   = -fstack-protector-strong -fPIE
LINK     = -pie -Wl,-z,relro,-z,now

ifneq ($(SANITIZE),)
MODE     = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer -U_FORTIFY_SOURCE
DEFINES += -DVOLLEY_DEBUG
else ifneq ($(DEBUG),)
MODE     = -O0 -g3 -U_FORTIFY_SOURCE
DEFINES += -DVOLLEY_DEBUG
else ifeq ($(filter -O0,$(CFLAGS)),)
HARDEN  += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif

STANDARD    = -std=gnu11 -Iinclude $(DEFINES) $(DEPS_CFLAGS) $(CPPFLAGS)
COMPILE     = $(CC) $(STANDARD) $(WARNINGS) $(HARDEN) $(CFLAGS) $(MODE)
LINKER      = $(CC) $(HARDEN) $(CFLAGS) $(MODE) $(LINK) $(LDFLAGS)
LINKED_LIBS = $(DEPS_LIBS) $(LIBS)
FAIL_WARN   = $(if $(WERROR),-Werror)

# ---- programs --------------------------------------------------------------------------------

SOURCES  = $(sort $(wildcard src/*/*.c))
OBJECTS  = $(SOURCES:src/%.c=$(BUILD)/obj/%.o)
PROGRAMS = $(patsubst src/%.c,$(BUILD)/%,$(wildcard src/volleyd.c src/volley.c))
LIBRARY  = $(BUILD)/libvolley.a
# Programs that the project itself needs; they are not installed.
TOOLS    = $(patsubst tools/%.c,$(BUILD)/%,$(wildcard tools/*.c))

.PHONY: all
all: $(LIBRARY) $(PROGRAMS) $(TOOLS)

# Notes hold a command line or a list of files; what depends on one is made again when it changes.
# WERROR is not part of it: it changes no object, and check need not build a second time.
quoted = '$(subst ','\'',$(1))'
note   = @mkdir -p $(@D); echo $(call quoted,$(1)) | cmp -s - $@ || echo $(call quoted,$(1)) > $@
.PHONY: FORCE
FORCE:
$(BUILD)/note.compile: FORCE
	$(call note,$(COMPILE))
$(BUILD)/note.link: FORCE
	$(call note,$(LINKER) $(LINKED_LIBS))
$(BUILD)/note.objects: FORCE
	$(call note,$(OBJECTS))

$(BUILD)/obj/%.o: src/%.c $(BUILD)/note.compile
	@mkdir -p $(@D)
	@echo '  CC      $<'
	@$(COMPILE) $(FAIL_WARN) -MMD -MP -c $< -o $@

$(LIBRARY): $(OBJECTS) $(BUILD)/note.objects
	@echo '  AR      $@'
	@rm -f $@ && $(AR) rcs $@ $(OBJECTS)

$(PROGRAMS): $(BUILD)/%: $(BUILD)/obj/%.o $(LIBRARY) $(BUILD)/note.link
	@echo '  LINK    $@'
	@$(LINKER) -o $@ $< $(LIBRARY) $(LINKED_LIBS)

$(TOOLS): $(BUILD)/%: tools/%.c $(LIBRARY) $(BUILD)/note.compile $(BUILD)/note.link
	@echo '  LINK    $@'
	@$(COMPILE) $(FAIL_WARN) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(LINK) $(LDFLAGS) $(LIBRARY) $(LINKED_LIBS)

-include $(OBJECTS:.o=.d) $(PROGRAMS:$(BUILD)/%=$(BUILD)/obj/%.d) $(TOOLS:=.d)

# ---- tests -----------------------------------------------------------------------------------
# check prepares and calls make again, so that it works before there is a config.mk.

.PHONY: check check-run check-shape check-unit check-docs check-archive check-integration check-sanitize
check:
	@tools/packages install build test
	@$(MAKE) $(JOBS) all WERROR=1
	@$(MAKE) check-run WERROR=1

check-sanitize:
	@tools/packages install build test
	@$(MAKE) $(JOBS) all WERROR=1 BUILD=build-asan SANITIZE=1
	@$(MAKE) check-run WERROR=1 BUILD=build-asan SANITIZE=1

check-run: all
	@$(MAKE) check-shape check-unit check-docs
	@$(if $(SANITIZE),,$(MAKE) check-archive)
	@$(MAKE) check-integration

check-shape:
	@test/layers '$(CC)'

# One program per test/unit/test_*.c; the other files there are helpers of all of them.
UNIT_TESTS   = $(patsubst test/unit/%.c,$(BUILD)/test/%,$(sort $(wildcard test/unit/test_*.c)))
UNIT_HELPERS = $(patsubst test/unit/%.c,$(BUILD)/test/%.o,\
	$(sort $(filter-out test/unit/test_%,$(wildcard test/unit/*.c))))

$(BUILD)/test/%.o: test/unit/%.c $(BUILD)/note.compile
	@mkdir -p $(@D)
	@echo '  CC      $<'
	@$(COMPILE) $(FAIL_WARN) -Itest/unit -MMD -MP -c $< -o $@

$(UNIT_TESTS): %: %.o $(UNIT_HELPERS) $(LIBRARY) $(BUILD)/note.link
	@$(LINKER) -o $@ $< $(UNIT_HELPERS) $(LIBRARY) -lcmocka $(LINKED_LIBS)

.PRECIOUS: $(BUILD)/test/%.o
-include $(UNIT_TESTS:=.d) $(UNIT_HELPERS:.o=.d)

# Sanitizer settings of whatever the tests start; a suppression file serves where there is one.
SANITIZER_ENV = ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1 \
	UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	LSAN_OPTIONS='print_suppressions=0$(if $(wildcard test/lsan.supp),:suppressions="$(CURDIR)/test/lsan.supp")'
BUILD_PATH = $(if $(filter /%,$(BUILD)),$(BUILD),$(CURDIR)/$(BUILD))
TEST_ENV   = VOLLEY_BUILD='$(BUILD_PATH)' VOLLEY_SANITIZE=$(SANITIZE) $(SANITIZER_ENV)

check-unit: $(UNIT_TESTS)
	@$(TEST_ENV) test/run-unit $(UNIT_TESTS)

check-docs: $(TOOLS)
	@for script in $(wildcard test/docs*); do $(TEST_ENV) $$script || exit 1; done

check-archive:
	@test/archive

PYTEST_ARGS ?= -n 2
check-integration: all
	@$(TEST_ENV) PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m pytest -p no:cacheprovider $(PYTEST_ARGS) test/integration

# ---- care ------------------------------------------------------------------------------------

.PHONY: lint lint-run format reference bench demo help
lint:
	@tools/packages install build lint
	@$(MAKE) lint-run

lint-run:
	@CC='$(CC)' tools/lint $(STANDARD) $(WARNINGS)

format:
	clang-format -i $(wildcard src/*.c src/*/*.c include/*/*.h tools/*.c test/unit/*.c test/unit/*.h)

reference: $(BUILD)/reference
	@REFERENCE='$(BUILD_PATH)/reference' tools/write-reference

bench:
	@tools/packages install build bench
	@$(MAKE) $(JOBS) all
	@VOLLEY_BUILD='$(BUILD_PATH)' bench/run

demo:
	@tools/packages install build demo
	@$(MAKE) $(JOBS) all
	@VOLLEY_BUILD='$(BUILD_PATH)' ONCE=$(ONCE) tools/demo

help:
	@sed -n 's/^#   make/make/p' Makefile

# ---- install ---------------------------------------------------------------------------------

INSTALL      ?= install
MAN_PAGES     = $(wildcard man/*.[1-8])
DATA_FOLDERS  = $(patsubst etc/%,%,$(wildcard etc/example etc/services))
DATA_FILES    = $(shell cd etc && find $(DATA_FOLDERS) /dev/null -type f ! -name '.*' | sort)
# Where systemd looks for units and users of packages under this prefix.
unitdir      ?= $(prefix)/lib/systemd/system
sysusersdir  ?= $(prefix)/lib/sysusers.d
UNITS         = volley.service volley.socket
INSTALLED_PATHS = s,/usr/sbin/volleyd,$(sbindir)/volleyd,g; s,/etc/volley,$(sysconfdir)/volley,g

.PHONY: install uninstall
install: all
	$(INSTALL) -d "$(DESTDIR)$(sbindir)" "$(DESTDIR)$(bindir)" "$(DESTDIR)$(sysconfdir)/volley"
	$(INSTALL) -m 755 $(BUILD)/volleyd "$(DESTDIR)$(sbindir)/volleyd"
	$(INSTALL) -m 755 $(BUILD)/volley "$(DESTDIR)$(bindir)/volley"
	@for page in $(MAN_PAGES); do \
		$(INSTALL) -D -m 644 "$$page" "$(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/}" || exit 1; done
	@for file in $(DATA_FILES); do \
		$(INSTALL) -D -m 644 "etc/$$file" "$(DESTDIR)$(datadir)/volley/$$file" || exit 1; done
	$(INSTALL) -d "$(DESTDIR)$(unitdir)" "$(DESTDIR)$(sysusersdir)"
	@for unit in $(UNITS); do sed '$(INSTALLED_PATHS)' etc/$$unit > "$(DESTDIR)$(unitdir)/$$unit" && \
		chmod 644 "$(DESTDIR)$(unitdir)/$$unit" || exit 1; done
	@sed '$(INSTALLED_PATHS)' etc/volley.sysusers > "$(DESTDIR)$(sysusersdir)/volley.conf" && \
		chmod 644 "$(DESTDIR)$(sysusersdir)/volley.conf"
	@test -e "$(DESTDIR)$(sysconfdir)/volley/volley.yaml" || \
		$(INSTALL) -m 644 etc/volley.yaml "$(DESTDIR)$(sysconfdir)/volley/volley.yaml"

# The settings in sysconfdir are the owner's and stay.
uninstall:
	rm -f "$(DESTDIR)$(sbindir)/volleyd" "$(DESTDIR)$(bindir)/volley"
	@for page in $(MAN_PAGES); do rm -f "$(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/}"; done
	@for unit in $(UNITS); do rm -f "$(DESTDIR)$(unitdir)/$$unit"; done
	rm -f "$(DESTDIR)$(sysusersdir)/volley.conf"
	@for file in $(DATA_FILES); do rm -f "$(DESTDIR)$(datadir)/volley/$$file"; done
	@test ! -d "$(DESTDIR)$(datadir)/volley" || \
		find "$(DESTDIR)$(datadir)/volley" -depth -type d -empty -delete

# ---- archive ---------------------------------------------------------------------------------
# From what git tracks in a clone; in an extracted archive from all that is no product of a build.
# Every file gets one time, else make could take configure for older than configure.ac.

DIST_VERSION = $(shell sed -n 's/^AC_INIT(\[volley\],\[\(.*\)\])$$/\1/p' configure.ac)
DIST         = volley-$(DIST_VERSION)
.PHONY: dist
dist: configure
	@mkdir -p $(BUILD)
	@if test -e .git; then git -c safe.directory='*' ls-files -z; else \
		find . -type d -name 'build*' -prune -o -name autom4te.cache -prune -o -type f \
			! -name config.mk ! -name config.log ! -name config.status \
			! -name 'volley-*.tar.gz' -printf '%P\0'; fi > $(BUILD)/dist.files
	@printf 'configure\0' >> $(BUILD)/dist.files
	@sort -zu $(BUILD)/dist.files | tar --null --files-from=- --transform='s,^,$(DIST)/,S' \
		--owner=0 --group=0 --numeric-owner --mtime=@$${SOURCE_DATE_EPOCH:-$$(date +%s)} \
		-czf $(DIST).tar.gz
	@echo $(DIST).tar.gz

# ---- clean -----------------------------------------------------------------------------------

.PHONY: clean distclean
clean:
	rm -rf $(BUILD) build-asan

distclean: clean
	rm -rf config.mk config.log config.status autom4te.cache configure~ volley-*.tar.gz
	@if test -e .git; then rm -f configure; fi
