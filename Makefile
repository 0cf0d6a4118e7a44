# Two commands for a first look: `make demo` and `make test`. The work is in scripts/, which runs without make too.
.PHONY: help demo test setup build format check-format lint sanitize stress mutate coverage fuzz

# Who builds once wants it soon; who changes gyre builds with GYRE_BUILT_ONCE=OFF, file by file. build/ keeps what it began with.
demo test: export GYRE_BUILT_ONCE ?= ON

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

demo: ## install what is missing, build, and show a looped model at work
	@scripts/setup run
	@scripts/build release gyre_binary
	@scripts/demo

test: ## install what is missing, build, and run every test
	@scripts/setup test
	@scripts/build
	@scripts/test

setup: ## install what building, testing and developing need
	@scripts/setup dev

build: ## build into build/, as users run it
	@scripts/build

format: ## format every C++ file
	@scripts/format

check-format: ## say which C++ files are not formatted
	@scripts/format --check

lint: build ## clang-tidy, warnings as errors
	@scripts/lint

sanitize: ## run the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/sanitize

stress: ## threads, batches, policies and exits against one thread, a minute under each of two sanitizers
	@scripts/stress

mutate: build ## break lines one at a time and say which no test notices
	@scripts/mutate

coverage: ## print which lines of src/ the tests reach
	@scripts/coverage

fuzz: ## feed broken files to every reader, a minute each
	@scripts/fuzz
