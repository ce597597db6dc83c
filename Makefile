# Two commands from a fresh clone: `make demo` and `make test`. Both make their own environment.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := build-demo

.PHONY: demo test check clean

demo: $(VENV)/.train
	mkdir -p $(DEMO)
	$(BIN)/edgecnn train demo/pictures -o $(DEMO)/recycling --overwrite
	# 104 validation pictures: one of them is a whole point.
	$(BIN)/edgecnn export $(DEMO)/recycling --int8 -o $(DEMO)/recycling.tflite --max-drop 3
	$(BIN)/edgecnn eval $(DEMO)/recycling $(DEMO)/recycling.tflite
	$(BIN)/python tools/make_demo_clip.py demo/pictures $(DEMO)/clip.avi
	$(BIN)/edgecnn run $(DEMO)/recycling.tflite --camera $(DEMO)/clip.avi \
	    --sink console --sink video:$(DEMO)/labelled.avi --sink jsonl:$(DEMO)/labels.jsonl
	@echo
	@echo "the trained run        $(DEMO)/recycling/ (plots/ shows how it learned)"
	@echo "the file for a board   $(DEMO)/recycling.tflite"
	@echo "the clip, labelled     $(DEMO)/labelled.avi and, line by line, $(DEMO)/labels.jsonl"
	@echo "with your camera       $(BIN)/edgecnn run $(DEMO)/recycling.tflite --camera 0"

test: check
	$(BIN)/python -m pytest

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) $(DEMO) dist .mediapipe-venv

# Editable, so that what runs is what stands in the checkout.
$(VENV)/.train $(VENV)/.dev: $(VENV)/.%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
