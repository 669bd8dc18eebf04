# Two commands do all the set-up: `make book` and `make test`. Each makes .venv first and reuses it afterwards.

PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: book pdf test serve exercises colab new-exercise new-chapter bench lint clean

book: .venv/ready
	$(BIN)/jupyter-book build . --path-output . -W -n --keep-going
	@echo; echo "Open file://$(CURDIR)/_build/html/index.html"

pdf: .venv/ready
	$(BIN)/python book/_ext/book_printed.py --check
	$(MAKE) book
	$(BIN)/python book/_ext/book_printed.py

test: .venv/ready
	$(BIN)/python -m pytest -n logical --dist loadfile

serve: .venv/ready
	$(BIN)/jupyter-book config sphinx . > /dev/null
	PYTHONPATH=book/_ext $(BIN)/sphinx-autobuild . _build/html -d _build/.doctrees --watch autograder --watch translator --ignore '*/_build/*' --ignore '*/.*' --ignore '*/conf.py' --ignore '*/book/colab/*'

exercises: .venv/ready
	$(BIN)/autograder release

colab: .venv/ready
	$(BIN)/python book/_ext/colab_notebooks.py

new-exercise: .venv/ready
	$(BIN)/python -m autograder.grading.start exercise "$(NAME)" "$(CHAPTER)"
	$(BIN)/ruff format -q autograder/catalogue
	$(BIN)/autograder release "$(CHAPTER)"
	$(BIN)/python book/_ext/colab_notebooks.py

new-chapter: .venv/ready
	$(BIN)/python -m autograder.grading.start chapter "$(NAME)"
	$(BIN)/ruff format -q autograder/catalogue
	$(BIN)/autograder release "$(NAME)"
	$(BIN)/python book/_ext/colab_notebooks.py

bench: .venv/ready
	for benchmark in benchmarks/*.py; do $(BIN)/python $$benchmark || exit 1; done

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/lint_notebooks.py

clean:
	rm -rf _build build .venv .venv-* *.egg-info .pytest_cache .ruff_cache .hypothesis

# The environment, remade when the pins change.
.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "This project needs Python 3.11 or newer; '$(PYTHON)' is missing or older. Install one and name it: make PYTHON=python3.12 book"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "'$(PYTHON)' cannot make virtual environments. On Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -r requirements.txt
	$(BIN)/pip install -q --no-deps -e .
	@touch $@
