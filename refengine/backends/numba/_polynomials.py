"""Polynomials of the kernels, printed by ``python -m validation.tables``."""

import numba

__all__: list[str] = []


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def sigma_above(r: float) -> float:
    s = r * r
    odd = 1.3091663482431285e-07
    even = 0.0009746992347508173
    odd = odd * s + 0.04340134552544079
    even = even * s + 0.5528862169589972
    odd = odd * s + 2.837628489643402
    even = even * s + 7.072520844971189
    odd = odd * s + 10.169445791193068
    even = even * s + 9.126908683468095
    odd = odd * s + 5.261367391022693
    even = even * s + 1.9238678618449196
    odd = odd * s + 0.41527087580010974
    even = even * s + 0.04166666666666662
    return odd * r + even


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def sigma_below(r: float) -> float:
    s = r * r
    odd = 0.002898753494971938
    even = 0.15761769996706115
    odd = odd * s + 2.6911702237800763
    even = even * s + 20.422082001406565
    odd = odd * s + 80.56145017169075
    even = even * s + 181.83554227908184
    odd = odd * s + 251.28261875893787
    even = even * s + 221.72417395839315
    odd = odd * s + 126.85419660531102
    even = even * s + 46.231162017712954
    odd = odd * s + 9.966501019201862
    even = even * s + 1.0
    return odd * r + even


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def slope_above(r: float) -> float:
    s = r * r
    odd = -4.732284713921094e-07
    even = 9.803704072036078e-05
    odd = odd * s + 0.023084669171452875
    even = even * s + 0.5217642404224344
    odd = odd * s + 3.387545020784089
    even = even * s + 8.287944687917483
    odd = odd * s + 11.127968327732125
    even = even * s + 9.314851509124916
    odd = odd * s + 5.078132016366986
    even = even * s + 1.7982639610278195
    odd = odd * s + 0.3870033105699294
    even = even * s + 0.041666666666666734
    return odd * r + even


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def slope_below(r: float) -> float:
    s = r * r
    odd = 0.008422004034687614
    even = 0.39693023719237075
    odd = odd * s + 5.749021825086012
    even = even * s + 36.52972266961645
    odd = odd * s + 121.19768588277311
    even = even * s + 235.4451951203885
    odd = odd * s + 287.82690691430724
    even = even * s + 231.04750782246344
    odd = odd * s + 123.50058230354841
    even = even * s + 43.33333506452362
    odd = odd * s + 9.288079453679499
    even = even * s + 1.0
    return odd * r + even


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def artanh_rest(r: float) -> float:
    s = r * r
    even = 0.07815288900461424
    odd = 0.03746071897775384
    even = even * s + 0.05422589197440007
    odd = odd * s + 0.05867139530651599
    even = even * s + 0.06667589315724629
    odd = odd * s + 0.07692271982430275
    even = even * s + 0.09090909948981357
    odd = odd * s + 0.11111111099118386
    even = even * s + 0.1428571428580005
    odd = odd * s + 0.19999999999999762
    even = even * s + 0.3333333333333333
    return odd * r + even


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def two_above(r: float) -> float:
    s = r * r
    odd = 6.122560273013701e-08
    even = 3.0026320359866764e-05
    odd = odd * s + 0.001199018174924242
    even = even * s + 0.01652473586984623
    odd = odd * s + 0.1049539550667583
    even = even * s + 0.3360652186870485
    odd = odd * s + 0.5274031010058405
    even = even * s + 0.3224670334241132
    return odd * r + even


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def two_below(r: float) -> float:
    s = r * r
    odd = 8.254266863957469e-06
    even = 0.0005414281845108378
    odd = odd * s + 0.011180428417972786
    even = even * s + 0.10515902068909273
    odd = odd * s + 0.5154649218176626
    even = even * s + 1.3635763197275343
    odd = odd * s + 1.8443913343439604
    even = even * s + 1.0
    return odd * r + even


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def root_above(r: float) -> float:
    s = r * r
    odd = 1.5821639059050045e-10
    even = 2.677747647291522e-07
    odd = odd * s + 2.738341209446813e-05
    even = even * s + 0.0009451571437759076
    odd = odd * s + 0.015263777603112797
    even = even * s + 0.13147889309040545
    odd = odd * s + 0.634453962375231
    even = even * s + 1.699940754054403
    odd = odd * s + 2.3290926486174
    even = even * s + 1.2503801375034054
    return odd * r + even


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def root_below(r: float) -> float:
    s = r * r
    odd = 4.609200509222437e-08
    even = 6.404858875014188e-06
    odd = odd * s + 0.0002779456147322645
    even = even * s + 0.005523813587101391
    odd = odd * s + 0.058625057359133106
    even = even * s + 0.3556070035327723
    odd = odd * s + 1.2542113843010159
    even = even * s + 2.4982316773109203
    odd = odd * s + 2.5462544659227815
    even = even * s + 1.0
    return odd * r + even


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def tail_above(r: float) -> float:
    s = r * r
    odd = -1.7532951335729463
    even = 426.5497319501106
    odd = odd * s + 1087.9687380112705
    even = even * s + 1489.616190411635
    odd = odd * s + 1365.7618113062865
    even = even * s + 961.8311125368259
    odd = odd * s + 501.18201667055746
    even = even * s + 221.7258265821549
    odd = odd * s + 68.30377776938765
    even = even * s + 19.86291424194395
    odd = odd * s + 2.999162730202621
    even = even * s + 0.5641895835477563
    return odd * r + even


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def tail_below(r: float) -> float:
    s = r * r
    odd = 81.81332009954875
    even = 415.11678144486376
    odd = odd * s + 907.4096911004373
    even = even * s + 1367.4424140194587
    odd = odd * s + 1316.507981850197
    even = even * s + 1066.945430636774
    odd = odd * s + 572.4588966753529
    even = even * s + 292.1944894164272
    odd = odd * s + 89.0171338657266
    even = even * s + 30.390221307699633
    odd = odd * s + 4.315877530639937
    even = even * s + 1.0
    return odd * r + even


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def half_step_above(r: float) -> float:
    s = r * r
    odd = -0.0001772887804430901
    even = 0.012806189067412125
    odd = odd * s + 0.5543944428562547
    even = even * s + 1.797472535024383
    odd = odd * s + 2.7620590884253104
    even = even * s + 2.5288082208385076
    odd = odd * s + 1.4785817238090082
    even = even * s + 0.5603915192484811
    odd = odd * s + 0.12899783677449272
    even = even * s + 0.015625
    return odd * r + even


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def half_step_below(r: float) -> float:
    s = r * r
    odd = 0.7593350746857591
    even = 12.044346752385952
    odd = odd * s + 58.42029884763968
    even = even * s + 138.41681854287236
    odd = odd * s + 191.1034184378215
    even = even * s + 167.3926283238818
    odd = odd * s + 95.91920869116065
    even = even * s + 36.02130723190642
    odd = odd * s + 8.25586155356752
    even = even * s + 1.0
    return odd * r + even


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def half_step_slope_above(r: float) -> float:
    s = r * r
    odd = 2.057254320195657e-06
    even = -3.7897017719564314e-05
    odd = odd * s + 8.863933784784933
    even = even * s + 28.385448717071213
    odd = odd * s + 41.00255539092963
    even = even * s + 34.479303754720995
    odd = odd * s + 18.275961755204982
    even = even * s + 6.173038196091727
    odd = odd * s + 1.2522220634185806
    even = even * s + 0.125
    return odd * r + even


@numba.njit(error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True)
def half_step_slope_below(r: float) -> float:
    s = r * r
    odd = 7.764217181898568
    even = 70.13203019296132
    odd = odd * s + 240.65135902116256
    even = even * s + 440.77662333660686
    odd = odd * s + 492.90545457984905
    even = even * s + 358.15095936639966
    odd = odd * s + 172.77817992086932
    even = even * s + 54.58069382241081
    odd = odd * s + 10.517776507348634
    even = even * s + 1.0
    return odd * r + even
