# Two commands do all the set-up: `make book` and `make test`.
