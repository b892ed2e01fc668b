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


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def two_above(r: float) -> float:
    p = 6.122560273013701e-08
    p = p * r + 3.0026320359866764e-05
    p = p * r + 0.001199018174924242
    p = p * r + 0.01652473586984623
    p = p * r + 0.1049539550667583
    p = p * r + 0.3360652186870485
    p = p * r + 0.5274031010058405
    return p * r + 0.3224670334241132


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def two_below(r: float) -> float:
    p = 8.254266863957469e-06
    p = p * r + 0.0005414281845108378
    p = p * r + 0.011180428417972786
    p = p * r + 0.10515902068909273
    p = p * r + 0.5154649218176626
    p = p * r + 1.3635763197275343
    p = p * r + 1.8443913343439604
    return p * r + 1.0


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def root_above(r: float) -> float:
    p = 1.5821639059050045e-10
    p = p * r + 2.677747647291522e-07
    p = p * r + 2.738341209446813e-05
    p = p * r + 0.0009451571437759076
    p = p * r + 0.015263777603112797
    p = p * r + 0.13147889309040545
    p = p * r + 0.634453962375231
    p = p * r + 1.699940754054403
    p = p * r + 2.3290926486174
    return p * r + 1.2503801375034054


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def root_below(r: float) -> float:
    p = 4.609200509222437e-08
    p = p * r + 6.404858875014188e-06
    p = p * r + 0.0002779456147322645
    p = p * r + 0.005523813587101391
    p = p * r + 0.058625057359133106
    p = p * r + 0.3556070035327723
    p = p * r + 1.2542113843010159
    p = p * r + 2.4982316773109203
    p = p * r + 2.5462544659227815
    return p * r + 1.0


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def tail_above(r: float) -> float:
    p = -1.7532951335729463
    p = p * r + 426.5497319501106
    p = p * r + 1087.9687380112705
    p = p * r + 1489.616190411635
    p = p * r + 1365.7618113062865
    p = p * r + 961.8311125368259
    p = p * r + 501.18201667055746
    p = p * r + 221.7258265821549
    p = p * r + 68.30377776938765
    p = p * r + 19.86291424194395
    p = p * r + 2.999162730202621
    return p * r + 0.5641895835477563


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def tail_below(r: float) -> float:
    p = 81.81332009954875
    p = p * r + 415.11678144486376
    p = p * r + 907.4096911004373
    p = p * r + 1367.4424140194587
    p = p * r + 1316.507981850197
    p = p * r + 1066.945430636774
    p = p * r + 572.4588966753529
    p = p * r + 292.1944894164272
    p = p * r + 89.0171338657266
    p = p * r + 30.390221307699633
    p = p * r + 4.315877530639937
    return p * r + 1.0
