"""The sum where photons can be: what adds next to nothing is left out, with a bound."""
