# Short names for the usual jobs. Each installs what is missing from the system's packages, saying so first.
BUILD ?= build
PREFIX ?= /usr/local
MESON = meson

.PHONY: all demo check bench install sanitize valgrind clean deps-build deps-check deps-bench

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

# Trains the built-in digits and says where the pictures are.
demo: deps-build
	@$(MAKE) --no-print-directory all
	$(BUILD)/cauchy train digits

check: deps-check
	@test -f $(BUILD)-check/build.ninja || $(MESON) setup $(BUILD)-check -Dwerror=true
	$(MESON) test -C $(BUILD)-check --print-errorlogs

bench: deps-bench
	@test -f $(BUILD)-bench/build.ninja || $(MESON) setup $(BUILD)-bench -Dbench=true -Dtests=disabled
	ninja -C $(BUILD)-bench
	bench/run $(BUILD)-bench

install: deps-build
	@test -f $(BUILD)/build.ninja || $(MESON) setup $(BUILD) --prefix=$(PREFIX)
	$(if $(filter command environment,$(firstword $(origin PREFIX))),@$(MESON) configure $(BUILD) --prefix=$(PREFIX))
	$(MESON) install -C $(BUILD)
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

# AddressSanitizer and UndefinedBehaviorSanitizer. Slower, so without the suites that only repeat work.
sanitize: deps-check
	@test -f $(BUILD)-sanitize/build.ninja || $(MESON) setup $(BUILD)-sanitize -Dwerror=true \
	  -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 $(MESON) test -C $(BUILD)-sanitize -t 3 --print-errorlogs

valgrind: deps-check
	@test -f $(BUILD)-check/build.ninja || $(MESON) setup $(BUILD)-check -Dwerror=true
	$(MESON) test -C $(BUILD)-check --setup valgrind --print-errorlogs

clean:
	rm -rf $(BUILD) $(BUILD)-check $(BUILD)-bench $(BUILD)-sanitize

$(BUILD)/build.ninja:
	$(MESON) setup $(BUILD) --prefix=$(PREFIX)

deps-build:
	@tools/install-deps.sh build
deps-check:
	@tools/install-deps.sh check
deps-bench:
	@tools/install-deps.sh bench
