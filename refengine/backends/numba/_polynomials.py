"""Polynomials of the kernels, printed by ``python -m validation.tables``."""

import numba

__all__: list[str] = []


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def sigma_above(r: float) -> float:
    p = 1.3091663482431285e-07
    p = p * r + 0.0009746992347508173
    p = p * r + 0.04340134552544079
    p = p * r + 0.5528862169589972
    p = p * r + 2.837628489643402
    p = p * r + 7.072520844971189
    p = p * r + 10.169445791193068
    p = p * r + 9.126908683468095
    p = p * r + 5.261367391022693
    p = p * r + 1.9238678618449196
    p = p * r + 0.41527087580010974
    return p * r + 0.04166666666666662


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def sigma_below(r: float) -> float:
    p = 0.002898753494971938
    p = p * r + 0.15761769996706115
    p = p * r + 2.6911702237800763
    p = p * r + 20.422082001406565
    p = p * r + 80.56145017169075
    p = p * r + 181.83554227908184
    p = p * r + 251.28261875893787
    p = p * r + 221.72417395839315
    p = p * r + 126.85419660531102
    p = p * r + 46.231162017712954
    p = p * r + 9.966501019201862
    return p * r + 1.0


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def slope_above(r: float) -> float:
    p = -4.732284713921094e-07
    p = p * r + 9.803704072036078e-05
    p = p * r + 0.023084669171452875
    p = p * r + 0.5217642404224344
    p = p * r + 3.387545020784089
    p = p * r + 8.287944687917483
    p = p * r + 11.127968327732125
    p = p * r + 9.314851509124916
    p = p * r + 5.078132016366986
    p = p * r + 1.7982639610278195
    p = p * r + 0.3870033105699294
    return p * r + 0.041666666666666734


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def slope_below(r: float) -> float:
    p = 0.008422004034687614
    p = p * r + 0.39693023719237075
    p = p * r + 5.749021825086012
    p = p * r + 36.52972266961645
    p = p * r + 121.19768588277311
    p = p * r + 235.4451951203885
    p = p * r + 287.82690691430724
    p = p * r + 231.04750782246344
    p = p * r + 123.50058230354841
    p = p * r + 43.33333506452362
    p = p * r + 9.288079453679499
    return p * r + 1.0


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def artanh_rest(r: float) -> float:
    p = 0.02857142857142857
    p = p * r + 0.030303030303030304
    p = p * r + 0.03225806451612903
    p = p * r + 0.034482758620689655
    p = p * r + 0.037037037037037035
    p = p * r + 0.04
    p = p * r + 0.043478260869565216
    p = p * r + 0.047619047619047616
    p = p * r + 0.05263157894736842
    p = p * r + 0.058823529411764705
    p = p * r + 0.06666666666666667
    p = p * r + 0.07692307692307693
    p = p * r + 0.09090909090909091
    p = p * r + 0.1111111111111111
    p = p * r + 0.14285714285714285
    p = p * r + 0.2
    return p * r + 0.3333333333333333
