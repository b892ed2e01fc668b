"""Posteriors whose moments are known exactly: by quadrature in one dimension to five, or in closed form.

``python -m validation.posteriors`` samples all of them and compares. `validation.posteriors.known.posteriors` is the
list; data/ holds the data, each file with the key of its source in docs/references.bib.
"""
